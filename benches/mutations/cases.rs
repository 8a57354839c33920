//! The measured mutations, each with the equivalent bare statement.

use kinoteka::kit::id::encode;
use serde_json::{Value, json};

/// A mutation.
#[derive(Clone, Copy)]
pub struct Case {
    /// Its name in the report.
    pub name: &'static str,
    /// The mutation's name in the schema.
    pub mutation: &'static str,
    /// The type of its input.
    pub input: &'static str,
    /// Makes the input of a request.
    pub of: fn(&Numbers) -> Value,
    /// The selection of the payload.
    pub shown: &'static str,
    /// Whether it is sent with an idempotency key.
    pub keyed: bool,
    /// The script of `pgbench`.
    pub bare: &'static str,
}

/// The number of rows of each kind at the start, with one user per movie.
pub const ROWS: u64 = 1_000;

/// The numbers of a request.
pub struct Numbers {
    /// Its number among all requests.
    pub number: u64,
    /// The user's key.
    pub user: u64,
    movie: u64,
}

impl Numbers {
    /// Pairs of users and movies differ for a million requests.
    pub fn of(number: u64) -> Self {
        Self { number, user: number % ROWS + 1, movie: (number + number / ROWS) % ROWS + 1 }
    }

    fn movie(&self) -> String {
        encode("Movie", i32::try_from(self.movie).unwrap())
    }
}

/// The mutations. The bare statements include the cost of the triggers.
pub const CASES: [Case; 6] = [
    Case {
        name: "addComment",
        mutation: "addComment",
        input: "AddCommentInput",
        of: comment,
        shown: "comment { id text createdAt author { username } }",
        keyed: false,
        bare: "\\set movie random(1, 1000)\n\\set user random(1, 1000)\n\
               INSERT INTO comments (user_id, comment, movie_id) VALUES (:user, repeat('x', 80), :movie);\n",
    },
    Case {
        name: "addComment with a key",
        mutation: "addComment",
        input: "AddCommentInput",
        of: comment,
        shown: "comment { id text createdAt author { username } }",
        keyed: true,
        bare: "\\set movie random(1, 1000)\n\\set user random(1, 1000)\n\
               WITH done AS (INSERT INTO comments (user_id, comment, movie_id) VALUES (:user, repeat('x', 80), :movie)\n\
               RETURNING id) INSERT INTO idempotency_keys (key_hash, input_hash, outcome)\n\
               SELECT uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()), uuid_send(gen_random_uuid()),\n\
               jsonb_build_object('done', id) FROM done;\n",
    },
    Case {
        name: "editComment",
        mutation: "editComment",
        input: "EditCommentInput",
        of: |numbers| {
            let id = encode("Comment", i32::try_from(numbers.user).unwrap());
            json!({ "id": id, "text": format!("{:080}", numbers.number) })
        },
        shown: "comment { id text changedAt author { username } }",
        keyed: false,
        bare: "\\set user random(1, 1000)\n\
               UPDATE comments SET comment = md5(random()::text), changed_at = now() WHERE id = :user AND user_id = :user;\n",
    },
    Case {
        name: "rate",
        mutation: "rate",
        input: "RateInput",
        of: |numbers| json!({ "subjectId": numbers.movie(), "rating": numbers.number % 5 + 1 }),
        shown: "rating { id rating user { username } }",
        keyed: false,
        bare: "\\set movie random(1, 1000)\n\\set user random(1, 1000)\n\\set rating random(1, 5)\n\
               INSERT INTO users_rating (user_id, movie_id, rating) VALUES (:user, :movie, :rating)\n\
               ON CONFLICT (movie_id, publication_id, user_id) DO UPDATE SET rating = excluded.rating;\n",
    },
    Case {
        name: "orderMovie",
        mutation: "orderMovie",
        input: "OrderMovieInput",
        of: |numbers| json!({ "movieId": numbers.movie(), "cinemaId": encode("Cinema", 1) }),
        shown: "order { id number price orderedAt }",
        keyed: false,
        // At another cinema, because an existing order would cost less.
        bare: "\\set movie random(1, 1000)\n\\set user random(1, 1000)\n\
               INSERT INTO user_movie_orders (user_id, movie_id, online_cinema_id, cinema_order_id, price)\n\
               VALUES (:user, :movie, 2, gen_random_uuid(), 100) ON CONFLICT DO NOTHING;\n",
    },
    Case {
        name: "createPublication",
        mutation: "createPublication",
        input: "CreatePublicationInput",
        of: |_| {
            let category = encode("PublicationCategory", 1);
            json!({ "title": "Заголовок", "text": "слово ".repeat(100), "categoryId": category, "tags": ["Драма"] })
        },
        shown: "publication { id title text tags author { username } }",
        keyed: false,
        bare: "\\set user random(1, 1000)\n\
               INSERT INTO publications (title, text, author, category, tags)\n\
               VALUES ('Заголовок', repeat('слово ', 100), :user, 1, '[\"Драма\"]');\n",
    },
];

fn comment(numbers: &Numbers) -> Value {
    json!({ "subjectId": numbers.movie(), "text": "x".repeat(80) })
}
