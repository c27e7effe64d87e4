-- The database of the example 'integration', in SQLite: triggers note each change.
CREATE TABLE customers (id text PRIMARY KEY, name text, city text);
CREATE TABLE changes (id integer PRIMARY KEY AUTOINCREMENT, customer text, after text);

CREATE TRIGGER note_insert AFTER INSERT ON customers BEGIN
	INSERT INTO changes (customer, after)
	VALUES (NEW.id, json_object('id', NEW.id, 'name', NEW.name, 'city', NEW.city));
END;
CREATE TRIGGER note_update AFTER UPDATE ON customers BEGIN
	INSERT INTO changes (customer, after)
	VALUES (NEW.id, json_object('id', NEW.id, 'name', NEW.name, 'city', NEW.city));
END;
CREATE TRIGGER note_delete AFTER DELETE ON customers BEGIN
	INSERT INTO changes (customer) VALUES (OLD.id);
END;
