// Opens a pool. Returns a function that runs a named prepared statement and returns its rows.
import pg from "pg";
import postgres from "postgres";

// Converts PostgreSQL's text (UTC) directly to RFC 3339, without a Date.
const time = (text) => `${text.replace(" ", "T")}:00`;
pg.types.setTypeParser(pg.types.builtins.TIMESTAMPTZ, time);

export function open(driver, database, connections) {
  if (driver === "postgres") {
    // This driver prepares by text, and pipelines statements on a connection.
    const types = { time: { to: 1184, from: [1184], serialize: (value) => value, parse: time } };
    const sql = postgres(database, { max: connections, types, connection: { TimeZone: "UTC" } });
    return (_, text, values) => sql.unsafe(text, values, { prepare: true });
  }
  const pool = new pg.Pool({ connectionString: database, max: connections, options: "-c TimeZone=UTC" });
  return async (name, text, values) => (await pool.query({ name, text, values })).rows;
}
