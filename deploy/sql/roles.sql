-- The roles of a cluster. Run it as a superuser on the leader, in any database. A second run only changes passwords.
-- The variables dba_verifier, kinoteka_app_verifier and pmm_verifier are SCRAM verifiers (SCRAM-SHA-256$4096:...), so
-- that no statement contains a password. `\password` in psql makes verifiers too.

-- Owns the database and everything in it. Without CREATEROLE: on PostgreSQL 15, that would let it join
-- pg_execute_server_program and run programs on the machine. Without CREATEDB: database.sql creates its database.
SELECT 'CREATE ROLE dba LOGIN' WHERE to_regrole('dba') IS NULL \gexec
-- The server. It owns nothing.
SELECT 'CREATE ROLE kinoteka_app LOGIN' WHERE to_regrole('kinoteka_app') IS NULL \gexec
-- The monitoring. Never a superuser: pg_monitor reads all statistics and settings, but no table rows.
SELECT 'CREATE ROLE pmm LOGIN' WHERE to_regrole('pmm') IS NULL \gexec

ALTER ROLE dba NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'dba_verifier';
ALTER ROLE kinoteka_app NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'kinoteka_app_verifier';
ALTER ROLE pmm NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 10 PASSWORD :'pmm_verifier';
GRANT pg_monitor TO pmm;
