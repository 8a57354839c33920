//! The GraphQL documents of the load.

use serde_json::{Value, json};

/// A mutation: its document, which can take a directive, and variables that fit its types.
pub struct Mutation {
    /// The root field.
    pub field: &'static str,
    /// The selected fields.
    selection: &'static str,
    /// The input's type.
    input: &'static str,
    /// An input of this type, to try the document.
    sample: fn() -> Value,
}

impl Mutation {
    /// The document; its one variable is `input`.
    pub fn document(&self) -> String {
        self.write("")
    }

    /// The same document without effect, to try whether the server knows it.
    pub fn trial(&self) -> (String, Value) {
        (self.write(" @skip(if: true)"), json!({ "input": (self.sample)() }))
    }

    fn write(&self, directive: &str) -> String {
        let Self { field, selection, input, .. } = self;
        format!(
            "mutation Load($input: {input}!) {{ {field}(input: $input){directive} {{ {selection} errors {{ code field message }} }} }}"
        )
    }
}

/// Logs in.
pub const LOG_IN: Mutation = Mutation {
    field: "logIn",
    selection: "token user { id }",
    input: "LogInInput",
    sample: || json!({ "login": "", "password": "" }),
};
/// Signs a user up.
pub const SIGN_UP: Mutation = Mutation {
    field: "signUp",
    selection: "user { id }",
    input: "SignUpInput",
    sample: || json!({ "username": "", "email": "", "password": "", "fullName": "", "birthday": "1990-01-01", "bio": null }),
};
/// Marks a user as deleted.
pub const DELETE_USER: Mutation =
    Mutation { field: "deleteUser", selection: "deletedId", input: "DeleteUserInput", sample: one_id };
/// Creates a publication.
pub const CREATE_PUBLICATION: Mutation = Mutation {
    field: "createPublication",
    selection: "publication { id }",
    input: "CreatePublicationInput",
    sample: || json!({ "title": "", "text": "", "categoryId": "", "tags": [""] }),
};
/// Replaces a publication's text.
pub const UPDATE_PUBLICATION: Mutation = Mutation {
    field: "updatePublication",
    selection: "publication { id }",
    input: "UpdatePublicationInput",
    sample: || json!({ "id": "", "text": "" }),
};
/// Deletes a publication.
pub const DELETE_PUBLICATION: Mutation =
    Mutation { field: "deletePublication", selection: "deletedId", input: "DeletePublicationInput", sample: one_id };
/// Adds a comment to a subject, or a reply.
pub const ADD_COMMENT: Mutation = Mutation {
    field: "addComment",
    selection: "comment { id }",
    input: "AddCommentInput",
    sample: || json!({ "subjectId": "", "parentId": "", "text": "" }),
};
/// Rates a subject.
pub const RATE: Mutation = Mutation {
    field: "rate",
    selection: "rating { id }",
    input: "RateInput",
    sample: || json!({ "subjectId": "", "rating": 1 }),
};
/// Orders a movie.
pub const ORDER_MOVIE: Mutation = Mutation {
    field: "orderMovie",
    selection: "order { id }",
    input: "OrderMovieInput",
    sample: || json!({ "movieId": "", "cinemaId": "" }),
};
/// Adds or changes a presence.
pub const SET_AVAILABILITY: Mutation = Mutation {
    field: "setAvailability",
    selection: "availability { id }",
    input: "SetAvailabilityInput",
    sample: || json!({ "movieId": "", "cinemaId": "", "price": "1.00", "rating": 1, "discountPercent": 0 }),
};
/// Removes a presence.
pub const REMOVE_AVAILABILITY: Mutation =
    Mutation { field: "removeAvailability", selection: "deletedId", input: "RemoveAvailabilityInput", sample: one_id };

fn one_id() -> Value {
    json!({ "id": "" })
}

/// All of them.
pub const MUTATIONS: [&Mutation; 11] = [
    &LOG_IN,
    &SIGN_UP,
    &DELETE_USER,
    &CREATE_PUBLICATION,
    &UPDATE_PUBLICATION,
    &DELETE_PUBLICATION,
    &ADD_COMMENT,
    &RATE,
    &ORDER_MOVIE,
    &SET_AVAILABILITY,
    &REMOVE_AVAILABILITY,
];

/// Movies, the cinemas that offer them, and a few comments to reply to.
pub const MOVIES: &str = "query Movies($after: String) { movies(first: 100, after: $after) {
    nodes { id title availability(first: 10) { nodes { cinema { id } } } comments(first: 2) { nodes { id } } }
    pageInfo { hasNextPage endCursor } } }";
/// The newest publications with a few comments to reply to.
pub const PUBLICATIONS: &str =
    "query Publications { publications(first: 100) { nodes { id title comments(first: 2) { nodes { id } } } } }";
/// What publications and presences refer to.
pub const REGISTRIES: &str =
    "query Registries { cinemas(first: 100) { nodes { id } } publicationCategories(first: 100) { nodes { id } } }";
/// The presences that were changed longest ago.
pub const OLDEST_PRESENCES: &str =
    "query OldestPresences($first: Int!) { availabilities(first: $first, orderBy: UPDATED_AT) {
    nodes { id movie { id } cinema { id } } } }";
/// The current cursor of the comment feed.
pub const CURSOR: &str = "query Cursor { commentCursor }";
/// New comments.
pub const LISTEN: &str =
    "subscription Listen($after: String) { commentAdded(after: $after) { cursor commentId comment { text } } }";
/// Objects as a member sees them, and the viewer.
pub const READ_BACK: &str = "query ReadBack($ids: [ID!]!) { viewer { username } nodes(ids: $ids) { id
    ... on Comment { text }
    ... on Publication { text viewerRating }
    ... on Movie { viewerRating }
    ... on Order { movie { id } cinema { id } } } }";
/// The prices of movies by cinema.
pub const PRICES: &str = "query Prices($ids: [ID!]!) { nodes(ids: $ids) { id
    ... on Movie { availability(first: 100) { nodes { price cinema { id } } } } } }";
/// The viewer's orders.
pub const ORDERS: &str = "query Orders($after: String) { viewer { orders(first: 100, after: $after) {
    nodes { movie { id } cinema { id } } pageInfo { hasNextPage endCursor } } } }";
/// The viewer.
pub const VIEWER: &str = "query Viewer { viewer { username } }";
/// Ends the session.
pub const LOG_OUT: &str = "mutation LogOut { logOut { endedSessions errors { code field message } } }";
/// A user's comments, newest first.
pub const COMMENTS_OF: &str = "query CommentsOf($username: String!, $after: String) { user(username: $username) {
    comments(first: 100, after: $after, orderBy: NEWEST) { nodes { id text } pageInfo { hasNextPage endCursor } } } }";
/// A user's publications from the end of the list, where the newest are.
pub const PUBLICATIONS_OF: &str =
    "query PublicationsOf($username: String!, $before: String) { user(username: $username) {
    publications(last: 20, before: $before) { nodes { id text } pageInfo { hasPreviousPage startCursor } } } }";

/// Whether users with these names exist: one field for each, `u0`, `u1` and so on.
pub fn users(names: &[String]) -> String {
    let fields: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(index, name)| format!("u{index}: user(username: {}) {{ id }}", json!(name)))
        .collect();
    format!("query Users {{ {} }}", fields.join(" "))
}

/// The queries, with variables that fit their types.
pub fn queries() -> [(String, Value); 11] {
    [
        (MOVIES, json!({})),
        (PUBLICATIONS, json!({})),
        (REGISTRIES, json!({})),
        (OLDEST_PRESENCES, json!({ "first": 1 })),
        (CURSOR, json!({})),
        (READ_BACK, json!({ "ids": [] })),
        (PRICES, json!({ "ids": [] })),
        (ORDERS, json!({})),
        (COMMENTS_OF, json!({ "username": "" })),
        (PUBLICATIONS_OF, json!({ "username": "" })),
        (&users(&[String::new()]), json!({})),
    ]
    .map(|(document, variables)| (document.to_owned(), variables))
}
