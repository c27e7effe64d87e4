"""The functions of the format: what each name does, and its jq expression."""
import json


# ---- values ----

class Stopped(Exception):
    """The application stops at this record."""


def text(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def tostring(value):
    return value if isinstance(value, str) else text(value)


def rank(value):
    """jq's order of values."""
    if value is None:
        return (0,)
    if isinstance(value, bool):
        return (1, value)
    if isinstance(value, int):
        return (2, value)
    if isinstance(value, str):
        return (3, [ord(c) for c in value])
    if isinstance(value, list):
        return (4, [rank(v) for v in value])
    return (5, sorted(value), [rank(value[k]) for k in sorted(value)])


def is_number(value):
    return isinstance(value, int) and not isinstance(value, bool)


def plus(a, b):
    if a is None or b is None:
        return b if a is None else a
    if is_number(a) and is_number(b) or type(a) is type(b) and isinstance(a, (str, list)):
        return a + b
    if isinstance(a, dict) and isinstance(b, dict):
        return {**a, **b}
    raise Stopped


def minus(a, b):
    if is_number(a) and is_number(b):
        return a - b
    if isinstance(a, list) and isinstance(b, list):
        return [v for v in a if v not in b]
    raise Stopped


def rest(a, b):
    return abs(a) % abs(b) * (-1 if a < 0 else 1)


def plain(key):
    return key["key"] if isinstance(key, dict) else key


def start_of(key):
    return key["start"] if isinstance(key, dict) else key


def key_of_rest(v, n):
    return "k" + str(rest(v, n)) if is_number(v) else None


def number(v):
    return v if is_number(v) else 0


def unless(value, is_null):
    return None if is_null else value


def higher(acc, v):
    return v if acc is None or rank(v) > rank(acc) else acc


def lower(acc, v):
    return v if acc is None or rank(v) < rank(acc) else acc


# Each takes (., $key, $acc, $left, $right, parameter).
FUNCTIONS = {
    # tests
    "gt": lambda v, k, a, l, r, p: rank(v) > rank(p),
    "lt": lambda v, k, a, l, r, p: rank(v) < rank(p),
    "eq": lambda v, k, a, l, r, p: rank(v) == rank(p),
    "even": lambda v, k, a, l, r, p: is_number(v) and v % 2 == 0,
    "is_null": lambda v, k, a, l, r, p: v is None,
    "not_null": lambda v, k, a, l, r, p: v is not None,
    "key_eq": lambda v, k, a, l, r, p: k == p,
    # values
    "const": lambda v, k, a, l, r, p: p,
    "double": lambda v, k, a, l, r, p: v * 2 if is_number(v) else v,
    "inc": lambda v, k, a, l, r, p: v + 1 if is_number(v) else v,
    "neg": lambda v, k, a, l, r, p: -v if is_number(v) else v,
    "mod": lambda v, k, a, l, r, p: rest(v, p) if is_number(v) else v,
    "null_if": lambda v, k, a, l, r, p: unless(v, rank(v) == rank(p)),
    "null_if_even": lambda v, k, a, l, r, p: unless(v, is_number(v) and v % 2 == 0),
    "same": lambda v, k, a, l, r, p: v,
    "text": lambda v, k, a, l, r, p: tostring(v),
    "with_key": lambda v, k, a, l, r, p: tostring(k) + "=" + tostring(v),
    # keys
    "const_key": lambda v, k, a, l, r, p: p,
    "first_char": lambda v, k, a, l, r, p: v[:1] if isinstance(v, str) else None,
    "key_suffix": lambda v, k, a, l, r, p: unless(tostring(k) + str(p), k is None),
    "mod_key": lambda v, k, a, l, r, p: key_of_rest(v, p),
    "plain_key": lambda v, k, a, l, r, p: plain(k),
    "value": lambda v, k, a, l, r, p: v,
    "window_start": lambda v, k, a, l, r, p: start_of(k),
    # keys and values
    "const_pair": lambda v, k, a, l, r, p: [p, v],
    "key_pair": lambda v, k, a, l, r, p: [k, v],
    "mod_pair": lambda v, k, a, l, r, p: [key_of_rest(v, p), v],
    "plain_pair": lambda v, k, a, l, r, p: [plain(k), v],
    "start_pair": lambda v, k, a, l, r, p: [start_of(k), v],
    "swap": lambda v, k, a, l, r, p: [v, k],
    "chars": lambda v, k, a, l, r, p: [[c, 1] for c in v] if isinstance(v, str) else [],
    "none": lambda v, k, a, l, r, p: [],
    "twice": lambda v, k, a, l, r, p: [[k, v], [k, v]],
    "up_to": lambda v, k, a, l, r, p: [[k, i] for i in range(v)] if is_number(v) else [],
    # aggregates
    "add": lambda v, k, a, l, r, p: plus(a, v),
    "add_null_at": lambda v, k, a, l, r, p: unless(plus(a, v), plus(a, v) == p),
    "add_null_over": lambda v, k, a, l, r, p: unless(plus(a, v), rank(plus(a, v)) > rank(p)),
    "collect": lambda v, k, a, l, r, p: plus(a, [v]),
    "first": lambda v, k, a, l, r, p: a,
    "keyed_text": lambda v, k, a, l, r, p: tostring(a) + "+" + tostring(k) + tostring(v),
    "last": lambda v, k, a, l, r, p: v,
    "max_of": lambda v, k, a, l, r, p: higher(a, v),
    "min_of": lambda v, k, a, l, r, p: lower(a, v),
    "minus_text": lambda v, k, a, l, r, p: tostring(a) + "-" + tostring(v),
    "plus_text": lambda v, k, a, l, r, p: tostring(a) + "+" + tostring(v),
    "subtract": lambda v, k, a, l, r, p: minus(a, v),
    "tally": lambda v, k, a, l, r, p: plus(a, 1),
    "untally": lambda v, k, a, l, r, p: minus(a, 1),
    "merge_add": lambda v, k, a, l, r, p: plus(l, r),
    "merge_max": lambda v, k, a, l, r, p: l if r is None else higher(l, r),
    "merge_min": lambda v, k, a, l, r, p: l if r is None else lower(l, r),
    "merge_text": lambda v, k, a, l, r, p: "(" + tostring(l) + "|" + tostring(r) + ")",
    # joins
    "concat_joiner": lambda v, k, a, l, r, p: tostring(l) + "," + tostring(r),
    "key_joiner": lambda v, k, a, l, r, p: tostring(k) + ":" + tostring(l) + "," + tostring(r),
    "left_joiner": lambda v, k, a, l, r, p: l,
    "right_joiner": lambda v, k, a, l, r, p: r,
    "sum_joiner": lambda v, k, a, l, r, p: number(l) + number(r),
}


def bare(key):
    """A key as a value: one of a window is no more than an object."""
    return {k: bare(v) for k, v in key.items()} if isinstance(key, dict) else key


def function(fn):
    """fn of a case as f(value, key=, acc=, left=, right=)."""
    word, _, param = fn["name"].partition(":")
    work = FUNCTIONS[word]
    param = param if word == "key_suffix" or not param else json.loads(param)

    def call(value=None, key=None, acc=None, left=None, right=None):
        key = bare(key)
        return work(value, key, acc, left, right, param)
    return call


# ---- as expressions ----

JQ = {
    "gt": ". > %s", "lt": ". < %s", "eq": ". == %s",
    "even": '(type == "number") and (. %% 2 == 0)', "is_null": ". == null",
    "not_null": ". != null", "key_eq": "$key == %s", "const": "%s",
    "double": 'if type == "number" then . * 2 else . end',
    "inc": 'if type == "number" then . + 1 else . end',
    "neg": 'if type == "number" then 0 - . else . end',
    "mod": 'if type == "number" then . %% %s else . end',
    "null_if": "if . == %s then null else . end",
    "null_if_even": 'if type == "number" and . %% 2 == 0 then null else . end', "same": ".",
    "text": "tostring", "with_key": '($key | tostring) + "=" + tostring', "const_key": "%s",
    "first_char": 'if type == "string" then .[0:1] else null end',
    "key_suffix": 'if $key == null then null else ($key | tostring) + "%s" end',
    "mod_key": 'if type == "number" then "k" + (. %% %s | tostring) else null end',
    "plain_key": 'if ($key | type) == "object" then $key.key else $key end', "value": ".",
    "window_start": 'if ($key | type) == "object" then $key.start else $key end',
    "const_pair": "[%s, .]", "key_pair": "[$key, .]",
    "mod_pair": '[(if type == "number" then "k" + (. %% %s | tostring) else null end), .]',
    "plain_pair": '[(if ($key | type) == "object" then $key.key else $key end), .]',
    "start_pair": '[(if ($key | type) == "object" then $key.start else $key end), .]',
    "swap": "[., $key]",
    "chars": 'if type == "string" then [(. / "")[] | [., 1]] else [] end', "none": "[]",
    "twice": "[[$key, .], [$key, .]]",
    "up_to": 'if type == "number" then [range(0; .) as $i | [$key, $i]] else [] end',
    "add": "$acc + .", "add_null_at": "($acc + .) | if . == %s then null else . end",
    "add_null_over": "($acc + .) | if . > %s then null else . end", "collect": "$acc + [.]",
    "first": "$acc", "keyed_text": '($acc | tostring) + "+" + ($key | tostring) + tostring',
    "last": ".", "max_of": "if $acc == null or . > $acc then . else $acc end",
    "min_of": "if $acc == null or . < $acc then . else $acc end",
    "minus_text": '($acc | tostring) + "-" + tostring',
    "plus_text": '($acc | tostring) + "+" + tostring', "subtract": "$acc - .",
    "tally": "$acc + 1", "untally": "$acc - 1", "merge_add": "$left + $right",
    "merge_max": "if $left == null or ($right != null and $right > $left) then $right else $left end",
    "merge_min": "if $left == null or ($right != null and $right < $left) then $right else $left end",
    "merge_text": '"(" + ($left | tostring) + "|" + ($right | tostring) + ")"',
    "concat_joiner": '($left | tostring) + "," + ($right | tostring)',
    "key_joiner": '($key | tostring) + ":" + ($left | tostring) + "," + ($right | tostring)',
    "left_joiner": "$left", "right_joiner": "$right",
    "sum_joiner": '(if ($left | type) == "number" then $left else 0 end) + '
                  '(if ($right | type) == "number" then $right else 0 end)',
}


def fn(name):
    """The function as a case has it."""
    param = name.partition(":")[2]
    jq = JQ[name.partition(":")[0]]
    return {"name": name, "jq": jq % param if param else jq.replace("%%", "%")}
