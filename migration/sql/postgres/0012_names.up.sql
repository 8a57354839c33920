-- Names that tell rows apart are stored composed (NFC), whoever writes them: else two of them look the same and differ.
-- What is there stays as it is; `kinoteka migrate status` counts twins.

CREATE FUNCTION compose_name() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    name text := to_jsonb(NEW) ->> TG_ARGV[0];
BEGIN
    -- Many programs write all columns of a row, also those that stay.
    IF name IS NFC NORMALIZED OR (TG_OP = 'UPDATE' AND name = to_jsonb(OLD) ->> TG_ARGV[0]) THEN
        RETURN NEW;
    END IF;
    RETURN jsonb_populate_record(NEW, jsonb_build_object(TG_ARGV[0], normalize(name, NFC)));
END
$$;

-- They name no column: a later step could not change the type of one that a trigger names.

CREATE TRIGGER tags_compose_title
BEFORE INSERT OR UPDATE ON tags
FOR EACH ROW EXECUTE FUNCTION compose_name('title');

CREATE TRIGGER person_position_compose_title
BEFORE INSERT OR UPDATE ON person_position
FOR EACH ROW EXECUTE FUNCTION compose_name('title');

CREATE TRIGGER cinema_online_compose_title
BEFORE INSERT OR UPDATE ON cinema_online
FOR EACH ROW EXECUTE FUNCTION compose_name('title');

CREATE TRIGGER publications_category_compose_title
BEFORE INSERT OR UPDATE ON publications_category
FOR EACH ROW EXECUTE FUNCTION compose_name('title');

CREATE TRIGGER users_compose_username
BEFORE INSERT OR UPDATE ON users
FOR EACH ROW EXECUTE FUNCTION compose_name('username');

CREATE TRIGGER users_compose_email
BEFORE INSERT OR UPDATE ON users
FOR EACH ROW EXECUTE FUNCTION compose_name('email');
