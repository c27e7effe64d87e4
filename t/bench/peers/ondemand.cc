// ondemand map | windows - the jobs of streamloop.c by simdjson's On-Demand interface.
#include <simdjson.h>

#include <cstdio>
#include <ctime>
#include <string>
#include <string_view>
#include <unistd.h>
#include <unordered_map>

using namespace simdjson;

// Reads stdin by pieces, and calls fn with each order.
template <typename F>
static void
each_order(F fn)
{
	const size_t piece = 1 << 20;
	std::string text;
	ondemand::parser parser;
	size_t n = 0;
	for (;;) {
		text.resize(n + piece + SIMDJSON_PADDING);
		ssize_t got = read(0, text.data() + n, piece);
		if (got <= 0)
			return;
		n += size_t(got);
		size_t whole = std::string_view(text.data(), n).rfind('\n') + 1;
		ondemand::document_stream orders = parser.iterate_many(text.data(), whole, whole + 64);
		for (auto order : orders) {
			ondemand::document_reference document;
			if (std::move(order).get(document) == SUCCESS)
				fn(document);
		}
		text.erase(0, whole);
		n -= whole;
	}
}

static void
map()
{
	each_order([](ondemand::document_reference order) {
		std::string_view id = order["id"].raw_json_token();
		ondemand::value amount = order["amount"];
		std::string_view text = amount.raw_json_token();
		if (double(amount.get_double()) > 100)
			printf("{\"id\":%.*s,\"amount\":%.*s}\n", int(id.rfind('"') + 1), id.data(),
				int(text.find_last_of("0123456789") + 1), text.data());
	});
}

struct row {
	double total = 0;
	long n = 0;
};

static long
minute_of(std::string_view ts)
{
	static std::string day;
	static long begin;
	if (day != ts.substr(0, 10)) {
		struct tm tm = {};
		day = ts.substr(0, 10);
		strptime(day.c_str(), "%Y-%m-%d", &tm);
		begin = timegm(&tm) / 60;
	}
	return begin + std::stoi(std::string(ts.substr(11, 2))) * 60 + std::stoi(std::string(ts.substr(14, 2)));
}

static void
windows()
{
	std::unordered_map<long, std::unordered_map<std::string, row>> windows;
	each_order([&](ondemand::document_reference order) {
		long minute = minute_of(order["ts"].get_string());
		std::string_view customer = order["customer"].get_string();
		row &row = windows[minute][std::string(customer)];
		row.total += double(order["amount"].get_double());
		row.n++;
	});
	for (auto &window : windows)
		for (auto &[key, row] : window.second)
			printf("{\"key\":\"%s\",\"start\":%ld,\"total\":%.15g,\"n\":%ld}\n", key.c_str(),
				window.first * 60000, row.total, row.n);
}

int
main(int argc, char **argv)
{
	if (argc == 2 && std::string_view(argv[1]) == "map")
		map();
	else if (argc == 2 && std::string_view(argv[1]) == "windows")
		windows();
	else
		return 2;
	return 0;
}
