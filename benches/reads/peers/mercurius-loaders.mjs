// The loaders, in two styles. Both read the first n children of all parents with one LATERAL join.

const page = (columns, rest) => `
  SELECT parent, ${columns} FROM unnest($1::integer[]) AS parent
  CROSS JOIN LATERAL (SELECT * FROM ${rest} LIMIT $2) AS child`;

// Assigns rows to their parents. All pages of a level have the same size.
function pages(query, name, text) {
  return async (queries) => {
    const nodes = new Map(queries.map(({ obj }) => [obj.id, []]));
    const rows = await query(name, text, [[...nodes.keys()], queries[0].params.first]);
    for (const row of rows) nodes.get(row.parent).push(row);
    return queries.map(({ obj }) => ({ nodes: nodes.get(obj.id) }));
  };
}

function byId(query, name, text, key) {
  return async (queries) => {
    const ids = [...new Set(queries.map(({ obj }) => obj[key]))];
    const found = new Map((await query(name, text, [ids])).map((row) => [row.id, row]));
    return queries.map(({ obj }) => found.get(obj[key]));
  };
}

const STAFF = "movie_staff_m2m WHERE movie_id = parent ORDER BY id";
const AWARDS = "awards WHERE movie_id = parent ORDER BY id";
const PRESENCES = "cinema_online_movie_presence WHERE movie_id = parent ORDER BY id";
const COMMENTS = "comments WHERE movie_id = parent AND parent_id IS NULL ORDER BY id DESC";

export function lookups(query) {
  const uncached = (loader) => ({ loader, opts: { cache: false } });
  const one = (name, columns, table, key) =>
    uncached(byId(query, name, `SELECT id, ${columns} FROM ${table} WHERE id = ANY($1)`, key));
  const many = (name, columns, rest) => uncached(pages(query, name, page(columns, rest)));
  return {
    Movie: {
      staff: many("staff", `character, is_lead_role AS "isLead", person_id, position_id`, STAFF),
      awards: many("awards", "film_award_id, nomination_id", AWARDS),
      availability: many("availability", `price, discount AS "discountPercent", cinema_id`, PRESENCES),
      comments: many("comments", `id, comment AS text, created_at AS "createdAt", user_id`, COMMENTS),
    },
    StaffMember: {
      person: one("person", `first_name AS "firstName", last_name AS "lastName"`, "persons", "person_id"),
      position: one("position", "title", "person_position", "position_id"),
    },
    MovieAward: {
      award: one("award", "title", "film_award_registry", "film_award_id"),
      nomination: one("nomination", "title", "film_award_nominations_registry", "nomination_id"),
    },
    Availability: { cinema: one("cinema", "title", "cinema_online", "cinema_id") },
    Comment: { author: one("author", `username, fio AS "fullName"`, "users", "user_id") },
  };
}

export function joins(query) {
  const many = (name, columns, rest, joined, shape) => {
    const load = pages(query, name, `${page(columns, rest)} ${joined}`);
    const loader = async (queries) => {
      const lists = await load(queries);
      for (const { nodes } of lists) nodes.forEach(shape);
      return lists;
    };
    return { loader, opts: { cache: false } };
  };
  return {
    Movie: {
      staff: many(
        "staff",
        `child.character, is_lead_role AS "isLead", person.id AS person_id, first_name, last_name, position.title`,
        STAFF,
        "JOIN persons AS person ON person.id = person_id JOIN person_position AS position ON position.id = position_id ORDER BY parent, child.id",
        (row) => {
          row.person = { id: row.person_id, firstName: row.first_name, lastName: row.last_name };
          row.position = { title: row.title };
        },
      ),
      awards: many(
        "awards",
        "award.title AS award_title, nomination.title AS nomination_title",
        AWARDS,
        "JOIN film_award_registry AS award ON award.id = film_award_id JOIN film_award_nominations_registry AS nomination ON nomination.id = nomination_id ORDER BY parent, child.id",
        (row) => {
          row.award = { title: row.award_title };
          row.nomination = { title: row.nomination_title };
        },
      ),
      availability: many(
        "availability",
        `price, discount AS "discountPercent", cinema.title`,
        PRESENCES,
        "JOIN cinema_online AS cinema ON cinema.id = cinema_id ORDER BY parent, child.id",
        (row) => {
          row.cinema = { title: row.title };
        },
      ),
      comments: many(
        "comments",
        `child.id, comment AS text, child.created_at AS "createdAt", author.id AS author_id, username, fio`,
        COMMENTS,
        "LEFT JOIN users AS author ON author.id = user_id ORDER BY parent, child.id DESC",
        (row) => {
          row.author = row.author_id && { id: row.author_id, username: row.username, fullName: row.fio };
        },
      ),
    },
  };
}
