-- The database of the example 'integration', in PostgreSQL: a trigger notes each change.
CREATE TABLE customers (id text PRIMARY KEY, name text, city text);
CREATE TABLE changes (id bigserial PRIMARY KEY, customer text, after text);

CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	-- One transaction at a time takes numbers, so that they become visible in order.
	PERFORM pg_advisory_xact_lock(1);
	IF TG_OP = 'DELETE' THEN
		INSERT INTO changes (customer) VALUES (OLD.id);
	ELSE
		INSERT INTO changes (customer, after) VALUES (NEW.id, row_to_json(NEW));
	END IF;
	RETURN NULL;
END $$;

CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON customers
	FOR EACH ROW EXECUTE FUNCTION note();
