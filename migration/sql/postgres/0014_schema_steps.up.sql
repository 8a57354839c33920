-- Which versions of the program can run on which schema. From this step on, every step says for itself the last step that
-- a program has to know to go on once the step is applied. A program that finds steps that it does not know looks here.

CREATE TABLE schema_steps (
    name text NOT NULL,
    -- The step's own name where no older version can go on.
    requires text NOT NULL,
    CONSTRAINT schema_steps_pkey PRIMARY KEY (name)
);
COMMENT ON TABLE schema_steps IS 'Шаги схемы: какой шаг должна знать программа, чтобы работать после них';
INSERT INTO schema_steps (name, requires) VALUES ('0014_schema_steps', '0013_feed_row');

-- Lets everybody who may do something to the model do it to the target too. A step that makes a table calls it, so that
-- the server's role may use the table from the moment on at which it is there.
CREATE FUNCTION grant_like(target regclass, model regclass) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    held record;
BEGIN
    FOR held IN
        SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS role, privilege_type AS privilege,
            CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END AS option
        FROM pg_class, aclexplode(relacl) WHERE oid = model AND grantee <> relowner
    LOOP
        EXECUTE format('GRANT %s ON %s TO %s%s', held.privilege, target, held.role, held.option);
    END LOOP;
END
$$;

SELECT grant_like('schema_steps', 'seeding_steps');
