//! Makes in bulk what triggers make of rows: side tables and totals.
//!
//! The statements are those with which the migration steps fill these tables. A test compares the result with that of
//! the triggers, in every side table of the database.

use sea_orm::DbBackend;

use crate::fakes::World;

/// A side table that is filled chunk by chunk.
pub struct Side {
    /// The table.
    pub table: &'static str,
    /// Fills it for the rows whose ids are from `$1` to `$2`, on PostgreSQL.
    pub postgres: &'static str,
    /// The same on SQLite.
    pub sqlite: &'static str,
}

/// Returns the statements that end a step, after its last row.
pub type Finish = fn(&World, DbBackend) -> Vec<String>;

/// Side tables of online cinemas.
pub const OF_CINEMAS: &[Side] = &[Side {
    table: "cinema_titles",
    postgres: "INSERT INTO cinema_titles (cinema_id, title)
        SELECT id, fold_text(title) FROM cinema_online WHERE id BETWEEN $1 AND $2",
    sqlite: "INSERT INTO cinema_titles (cinema_id, title)
        SELECT id, (SELECT text FROM folded_texts WHERE kind = 'title of a cinema' AND id = cinema_online.id)
        FROM cinema_online WHERE id BETWEEN $1 AND $2",
}];

/// Side tables of movies.
pub const OF_MOVIES: &[Side] = &[
    Side {
        table: "movie_titles",
        postgres: "INSERT INTO movie_titles (movie_id, title, original)
            SELECT id, fold_text(title), fold_text(title_original) FROM movies WHERE id BETWEEN $1 AND $2",
        sqlite: "INSERT INTO movie_titles (movie_id, title, original)
            SELECT id,
                (SELECT text FROM folded_texts WHERE kind = 'title of a movie' AND id = movies.id),
                (SELECT text FROM folded_texts WHERE kind = 'original title of a movie' AND id = movies.id)
            FROM movies WHERE id BETWEEN $1 AND $2",
    },
    Side {
        table: "movie_tags",
        postgres: "INSERT INTO movie_tags (movie_id, tag)
            SELECT DISTINCT id, tag #>> '{}' FROM movies CROSS JOIN jsonb_array_elements(tags) AS tag
            WHERE id BETWEEN $1 AND $2 AND jsonb_typeof(tag) = 'string' AND length(tag #>> '{}') <= 56",
        sqlite: "INSERT INTO movie_tags (movie_id, tag)
            SELECT DISTINCT movies.id, tag.value FROM movies, json_each(movies.tags) AS tag
            WHERE movies.id BETWEEN $1 AND $2 AND tag.type = 'text' AND length(tag.value) <= 56",
    },
];

/// Side tables of persons.
pub const OF_PERSONS: &[Side] = &[Side {
    table: "person_names",
    postgres: "INSERT INTO person_names (person_id, name)
        SELECT id, fold_text(concat_ws(' ', last_name, first_name, mid_name)) FROM persons WHERE id BETWEEN $1 AND $2",
    sqlite: "INSERT INTO person_names (person_id, name)
        SELECT id, (SELECT text FROM folded_texts WHERE kind = 'name of a person' AND id = persons.id)
        FROM persons WHERE id BETWEEN $1 AND $2",
}];

/// Side tables of publications.
pub const OF_PUBLICATIONS: &[Side] = &[
    Side {
        table: "publication_titles",
        postgres: "INSERT INTO publication_titles (publication_id, title)
            SELECT id, fold_text(title) FROM publications WHERE id BETWEEN $1 AND $2",
        sqlite: "INSERT INTO publication_titles (publication_id, title)
            SELECT id, (SELECT text FROM folded_texts WHERE kind = 'title of a publication' AND id = publications.id)
            FROM publications WHERE id BETWEEN $1 AND $2",
    },
    Side {
        table: "publication_tags",
        postgres: "INSERT INTO publication_tags (publication_id, tag)
            SELECT DISTINCT id, tag #>> '{}' FROM publications CROSS JOIN jsonb_array_elements(tags) AS tag
            WHERE id BETWEEN $1 AND $2 AND jsonb_typeof(tag) = 'string' AND length(tag #>> '{}') <= 56",
        sqlite: "INSERT INTO publication_tags (publication_id, tag)
            SELECT DISTINCT publications.id, tag.value FROM publications, json_each(publications.tags) AS tag
            WHERE publications.id BETWEEN $1 AND $2 AND tag.type = 'text' AND length(tag.value) <= 56",
    },
    Side {
        table: "publication_words",
        postgres: "INSERT INTO publication_words (publication_id, words)
            SELECT id, search_words(title, text) FROM publications WHERE id BETWEEN $1 AND $2",
        sqlite: "INSERT INTO publication_words (rowid, title, text)
            SELECT id, title, text FROM texts_to_search WHERE id BETWEEN $1 AND $2",
    },
];

/// Counts the ratings of every movie and publication, including those without ratings.
pub fn count_ratings(_: &World, backend: DbBackend) -> Vec<String> {
    if backend == DbBackend::Postgres {
        // Its trigger counts everything again.
        return vec!["TRUNCATE rating_totals".to_owned()];
    }
    let count = |subjects: &str, key: &str| {
        format!(
            "INSERT INTO rating_totals ({key}, given_1, given_2, given_3, given_4, given_5)
             SELECT {subjects}.id,
                 count(*) FILTER (WHERE users_rating.rating = 1),
                 count(*) FILTER (WHERE users_rating.rating = 2),
                 count(*) FILTER (WHERE users_rating.rating = 3),
                 count(*) FILTER (WHERE users_rating.rating = 4),
                 count(*) FILTER (WHERE users_rating.rating = 5)
             FROM {subjects} LEFT JOIN users_rating ON users_rating.{key} = {subjects}.id
             GROUP BY {subjects}.id ORDER BY {subjects}.id"
        )
    };
    vec!["DELETE FROM rating_totals".to_owned(), count("movies", "movie_id"), count("publications", "publication_id")]
}

/// Gives the demo accounts their roles.
pub fn grant_roles(world: &World, _: DbBackend) -> Vec<String> {
    if world.accounts.is_none() {
        return Vec::new();
    }
    let grant = |role| {
        format!("INSERT INTO user_roles (user_id, role) SELECT id, '{role}' FROM users WHERE username = '{role}'")
    };
    vec![grant("editor"), grant("admin")]
}
