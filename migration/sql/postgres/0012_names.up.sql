-- Names that tell rows apart are stored composed (NFC), whoever writes them: else two of them look the same and differ.
-- What is there stays as it is; `kinoteka migrate status` counts twins.

CREATE FUNCTION compose_name() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    -- Many programs write all columns of a row, also those that stay.
    IF TG_OP = 'UPDATE' AND to_jsonb(NEW) ->> TG_ARGV[0] = to_jsonb(OLD) ->> TG_ARGV[0] THEN
        RETURN NEW;
    END IF;
    RETURN jsonb_populate_record(
        NEW, jsonb_build_object(TG_ARGV[0], normalize(to_jsonb(NEW) ->> TG_ARGV[0], NFC))
    );
END
$$;

CREATE TRIGGER tags_compose_title
BEFORE INSERT OR UPDATE OF title ON tags
FOR EACH ROW WHEN (NEW.title IS NOT NFC NORMALIZED)
EXECUTE FUNCTION compose_name('title');

CREATE TRIGGER person_position_compose_title
BEFORE INSERT OR UPDATE OF title ON person_position
FOR EACH ROW WHEN (NEW.title IS NOT NFC NORMALIZED)
EXECUTE FUNCTION compose_name('title');

CREATE TRIGGER cinema_online_compose_title
BEFORE INSERT OR UPDATE OF title ON cinema_online
FOR EACH ROW WHEN (NEW.title IS NOT NFC NORMALIZED)
EXECUTE FUNCTION compose_name('title');

CREATE TRIGGER publications_category_compose_title
BEFORE INSERT OR UPDATE OF title ON publications_category
FOR EACH ROW WHEN (NEW.title IS NOT NFC NORMALIZED)
EXECUTE FUNCTION compose_name('title');

CREATE TRIGGER users_compose_username
BEFORE INSERT OR UPDATE OF username ON users
FOR EACH ROW WHEN (NEW.username IS NOT NFC NORMALIZED)
EXECUTE FUNCTION compose_name('username');

CREATE TRIGGER users_compose_email
BEFORE INSERT OR UPDATE OF email ON users
FOR EACH ROW WHEN (NEW.email IS NOT NFC NORMALIZED)
EXECUTE FUNCTION compose_name('email');
