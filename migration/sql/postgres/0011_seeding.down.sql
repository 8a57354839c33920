DO $$
BEGIN
    IF EXISTS (SELECT FROM seeding_restores) THEN
        RAISE EXCEPTION 'a seed has taken away triggers or indexes: run `seeder restore` first';
    END IF;
END
$$;

DROP TABLE seeding_restores;
DROP TABLE seeding_steps;
