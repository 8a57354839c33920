//! The agreed sixteen tables and thirty-five indexes, as data independent of our SQL.

/// Tables that later steps add for the service, in any order.
///
/// The sixteen must not change. A step that adds a table adds it here.
pub const SIDE_TABLES: &[&str] = &[
    "audit_log",
    "cinema_titles",
    "comment_events",
    "comment_feed",
    "comment_tombstones",
    "idempotency_keys",
    "movie_tags",
    "movie_titles",
    "person_names",
    "publication_tags",
    "publication_titles",
    "publication_words",
    "rating_totals",
    "schema_steps",
    "seeding_steps",
    "sessions",
    "user_roles",
];

/// Tables only on PostgreSQL. On SQLite, the seeder uses a transaction, and the order of rows is that of the feed.
pub const POSTGRES_TABLES: &[&str] = &["comment_ticks", "seeding_restores"];

/// The comment on the database itself, on PostgreSQL.
pub const DATABASE_COMMENT: &str =
    "БД КИНОТЕКА - Каталог данных о фильмах и сериалах для студентов изучающих современное искусство";

const ID: &str = "id integer not null identity";

/// Each table with its columns in order, as `name type [not null] [identity | default EXPRESSION]`.
pub const TABLES: &[(&str, &[&str])] = &[
    ("tags", &["title varchar(56) not null"]),
    (
        "movies",
        &[
            ID,
            "isbn varchar(12)",
            "title varchar not null",
            "title_original varchar",
            "country varchar(128)",
            "year smallint",
            "budget numeric(15,2)",
            "boxoffice numeric(15,2)",
            "rating smallint",
            "duration integer not null",
            "rars varchar(12)",
            "tags jsonb",
            "subject text",
        ],
    ),
    (
        "persons",
        &[
            ID,
            "country varchar(128) not null",
            "last_name varchar(128) not null",
            "first_name varchar(128) not null",
            "mid_name varchar(128)",
            "birthday date",
            "bio text",
        ],
    ),
    ("person_position", &[ID, "title varchar(128) not null"]),
    (
        "movie_staff_m2m",
        &[
            ID,
            "character varchar(128)",
            "is_lead_role boolean not null default false",
            "position_id integer not null",
            "person_id integer not null",
            "movie_id integer not null",
        ],
    ),
    ("film_award_registry", &[ID, "title varchar(128) not null", "description text"]),
    ("film_award_nominations_registry", &[ID, "title varchar(128) not null", "description text"]),
    (
        "awards",
        &[
            ID,
            "film_award_id integer not null",
            "movie_id integer not null",
            "person_id integer",
            "nomination_id integer not null",
        ],
    ),
    (
        "users",
        &[
            ID,
            "username varchar(64) not null",
            "email varchar(128) not null",
            "password varchar(128) not null",
            "fio varchar(256) not null",
            "bio text",
            "created_at date not null default CURRENT_DATE",
            "deleted_at date",
            "birthday date not null",
            "last_logon date",
        ],
    ),
    ("cinema_online", &[ID, "title varchar(128) not null", "url text not null"]),
    (
        "cinema_online_movie_presence",
        &[
            ID,
            "movie_id integer not null",
            "cinema_id integer not null",
            "price numeric(10,2) not null",
            "rating integer not null",
            "discount smallint not null default 0",
            "view_count bigint",
            "last_update timestamptz",
        ],
    ),
    (
        "user_movie_orders",
        &[
            ID,
            "cinema_order_id uuid not null",
            "movie_id integer not null",
            "user_id integer not null",
            "online_cinema_id integer not null",
            "price numeric(10,2) not null",
            "date timestamptz not null default now()",
        ],
    ),
    ("publications_category", &[ID, "title varchar(24) not null"]),
    (
        "publications",
        &[
            ID,
            "title varchar(256) not null",
            "text text not null",
            "author integer not null",
            "category integer not null",
            "created_at timestamptz not null default now()",
            "changed_at timestamptz not null default now()",
            "tags jsonb",
            // Not in the facts.
            "deleted_at timestamptz",
        ],
    ),
    (
        "comments",
        &[
            ID,
            "user_id integer",
            "comment text not null",
            "parent_id integer",
            "movie_id integer",
            "publication_id integer",
            "created_at timestamptz not null default now()",
            "changed_at timestamptz",
        ],
    ),
    (
        "users_rating",
        &[
            ID,
            "rating smallint not null",
            "user_id integer not null",
            "movie_id integer",
            "publication_id integer",
            "created_at timestamptz not null default now()",
        ],
    ),
];

/// Each foreign key: its column, the table whose `id` it references, and the effect of a deletion there.
pub const FOREIGN_KEYS: &[&str] = &[
    "awards.film_award_id -> film_award_registry restrict",
    "awards.movie_id -> movies restrict",
    "awards.nomination_id -> film_award_nominations_registry restrict",
    "awards.person_id -> persons restrict",
    "cinema_online_movie_presence.cinema_id -> cinema_online cascade",
    "cinema_online_movie_presence.movie_id -> movies cascade",
    "comments.movie_id -> movies cascade",
    "comments.parent_id -> comments restrict",
    "comments.publication_id -> publications cascade",
    "comments.user_id -> users set null",
    "movie_staff_m2m.movie_id -> movies cascade",
    "movie_staff_m2m.person_id -> persons restrict",
    "movie_staff_m2m.position_id -> person_position restrict",
    "publications.author -> users restrict",
    "publications.category -> publications_category restrict",
    "user_movie_orders.movie_id -> movies restrict",
    "user_movie_orders.online_cinema_id -> cinema_online restrict",
    "user_movie_orders.user_id -> users restrict",
    "users_rating.movie_id -> movies cascade",
    "users_rating.publication_id -> publications cascade",
    "users_rating.user_id -> users cascade",
];

/// The thirty-five indexes by name, each with PostgreSQL's definition.
pub const INDEXES: &[(&str, &str)] = &[
    ("award_nomination_unique_constraint", "unique awards btree (film_award_id, movie_id, nomination_id)"),
    ("awards_pkey", "unique awards btree (id)"),
    ("cinema_online_movie_presence_pkey", "unique cinema_online_movie_presence btree (id)"),
    ("cinema_online_movie_presence_unique", "unique cinema_online_movie_presence btree (movie_id, cinema_id)"),
    ("cinema_online_pkey", "unique cinema_online btree (id)"),
    ("cinema_online_title_key", "unique cinema_online btree (title)"),
    ("cinema_online_url_key", "unique cinema_online btree (url)"),
    ("comments_pkey", "unique comments btree (id)"),
    ("film_award_nominations_registry_pkey", "unique film_award_nominations_registry btree (id)"),
    ("film_award_registry_pkey", "unique film_award_registry btree (id)"),
    ("movie_rating_idx", "movies btree (rating)"),
    ("movie_staff_m2m_pkey", "unique movie_staff_m2m btree (id)"),
    ("movie_title_idx", "movies btree (title)"),
    ("movie_title_original_idx", "movies btree (title_original)"),
    ("movies_pkey", "unique movies btree (id)"),
    ("person_name_idx", "persons btree (last_name, first_name)"),
    ("person_position_pkey", "unique person_position btree (id)"),
    ("person_position_title_key", "unique person_position btree (title)"),
    ("persons_pkey", "unique persons btree (id)"),
    ("publications_category_pkey", "unique publications_category btree (id)"),
    ("publications_category_title_key", "unique publications_category btree (title)"),
    ("publications_create_date_idx", "publications btree (created_at)"),
    ("publications_pkey", "unique publications btree (id)"),
    ("publications_text_gin_idx", "publications gin (to_tsvector('russian'::regconfig, text))"),
    ("publications_title_idx", "publications btree (title)"),
    ("tags_title_key", "unique tags btree (title)"),
    ("user_fio_idx", "users btree (fio)"),
    ("user_movie_orders_m2m_pk2", "unique user_movie_orders btree (user_id, movie_id, online_cinema_id)"),
    ("user_movie_orders_pkey", "unique user_movie_orders btree (id)"),
    ("user_username_idx", "users btree (username)"),
    ("users_email_key", "unique users btree (email)"),
    ("users_pkey", "unique users btree (id)"),
    ("users_rating_pkey", "unique users_rating btree (id)"),
    ("users_rating_unique_pk2", "unique users_rating btree (movie_id, publication_id, user_id) NULLS NOT DISTINCT"),
    ("users_username_key", "unique users btree (username)"),
];

/// One parsed column of the facts.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub table: &'static str,
    pub name: &'static str,
    pub kind: &'static str,
    pub nullable: bool,
    pub identity: bool,
    pub default: bool,
}

impl Column {
    /// The length of a `varchar(n)`.
    pub fn length_max(&self) -> Option<usize> {
        self.kind.strip_prefix("varchar(")?.strip_suffix(')')?.parse().ok()
    }
}

/// All columns of the sixteen tables.
pub fn columns() -> impl Iterator<Item = Column> {
    TABLES.iter().flat_map(|(table, lines)| lines.iter().map(|line| read_column(table, line)))
}

fn read_column(table: &'static str, line: &'static str) -> Column {
    let mut words = line.split(' ');
    Column {
        table,
        name: words.next().unwrap(),
        kind: words.next().unwrap(),
        nullable: !line.contains(" not null"),
        identity: line.ends_with(" identity"),
        default: line.contains(" default "),
    }
}
