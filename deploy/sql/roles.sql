-- The roles of a cluster. Run by a superuser, on the leader, in any database; running it again changes passwords alone.
-- Variables: dba_verifier, kinoteka_app_verifier, pmm_verifier, which are SCRAM verifiers (SCRAM-SHA-256$4096:...), so
-- that no password is in a statement. `\password` in psql makes them too.

-- Owns the database and all that is in it. Without CREATEROLE, with which PostgreSQL 15 would let it become a member of
-- pg_execute_server_program and so of the operating system; without CREATEDB, since the database is made for it.
SELECT 'CREATE ROLE dba LOGIN' WHERE to_regrole('dba') IS NULL \gexec
-- The server. It owns nothing.
SELECT 'CREATE ROLE kinoteka_app LOGIN' WHERE to_regrole('kinoteka_app') IS NULL \gexec
-- The monitoring. Never a superuser: pg_monitor reads all statistics and settings, and no row of a table.
SELECT 'CREATE ROLE pmm LOGIN' WHERE to_regrole('pmm') IS NULL \gexec

ALTER ROLE dba NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'dba_verifier';
ALTER ROLE kinoteka_app NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'kinoteka_app_verifier';
ALTER ROLE pmm NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 10 PASSWORD :'pmm_verifier';
GRANT pg_monitor TO pmm;
