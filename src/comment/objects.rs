//! Comments and their threads.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use entity::{comments, publications};
use graphql::{
    Batch, Call, Column, Columns, Context, Description, FieldError, NoArguments, Object, One, Root, Row, TypeName,
    index,
};
use sea_orm::sea_query::{Expr, Query};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter, Select};

use super::inputs::{AllCommentsArguments, CommentOrder, CommentsArguments, RepliesArguments, ThreadArguments};
use super::mutations::EDIT;
use super::reads::{self, Tombstone};
use crate::account::User;
use crate::error::{ApiError, ApiResult};
use crate::feed::Hub;
use crate::kit::Id;
use crate::kit::rows::connection::{as_int, lists};
use crate::kit::rows::join::RowsWithJoins;
use crate::kit::rows::{
    ContextExt, KEY, List, ListSelect, Record, RootList, RowObject, Statement, Table, count_of, count_texts, look_up,
    look_up_columns, row, shows_with, table,
};
use crate::kit::scalar::DateTime;
use crate::movie::Movie;
use crate::publication::Publication;
use crate::subject::SubjectId;
use crate::subject::objects::SubjectObject;

row! {
    /// A comment on a movie or a publication, or a reply to a comment.
    Comment of comments [with: publication_id of publications] {
        id: Id<Comment>,
        text: String = comment,
        created_at: DateTime,
        changed_at: Option<DateTime>,
        user_id: Option<Id<User>>,
        parent_id: Option<Id<Comment>>,
        movie_id: Option<Id<Movie>>,
        publication_id: Option<Id<Publication>>,
    }
}

/// The types of this domain.
pub fn describe(description: &mut Description) {
    description.object(
        Object::<Comment>::new(
            "A comment on a movie or a publication, or a reply to a comment. A deleted comment remains while it has \
             replies, without its text and author.",
        )
        .node()
        .column("text", "The text. Empty if the comment was deleted or hidden.", Comment::text)
        .costs(4)
        .column("createdAt", "When the comment was added.", Comment::created_at)
        .column("changedAt", "When the comment was last edited. Null if never.", Comment::changed_at)
        .nullable_link(
            "author",
            "The author. Null if the account was deleted, or if the comment was deleted or \
         hidden.",
            Comment::user_id,
        )
        .batch::<IsDeleted>(
            "isDeleted",
            "Whether the comment was deleted or hidden. It no longer has a text or an author.",
        )
        .needs(KEY)
        .batch::<IsHidden>(
            "isHidden",
            "Whether an editor hid the comment. A hidden comment remains even without \
         replies.",
        )
        .needs(KEY)
        .derive("canEdit", "Whether the viewer can edit the comment.", can_edit)
        .needs(Comment::user_id.columns())
        .personal()
        .subject("The movie or publication that the comment is about.", Comment::movie_id, Comment::publication_id)
        .nullable_link(
            "parent",
            "The comment that this one replies to. Null for the root of a thread.",
            Comment::parent_id,
        )
        .batch::<Depth>("depth", "The depth in the thread. The root has depth 0.")
        .needs(Comment::parent_id.columns())
        .edge::<RepliesOfComment>("replies", "The direct replies.")
        .batch::<ReplyCount>("replyCount", "The number of direct replies.")
        .needs(KEY)
        .batch::<Thread>("thread", "The comment and all replies below it, in reading order.")
        .needs(KEY),
    );
    description.object(
        Object::<CommentThread>::new(
            "A comment and the replies below it, in reading order. Each reply follows the comment that it replies \
             to. Older replies come first.",
        )
        .transparent()
        .resolve::<ThreadNodes>("nodes", "The comments. The first is the comment whose `thread` was selected.")
        .value("hasMore", "Whether there are more comments after the last of `nodes`.", |thread| thread.has_more),
    );
}

fn can_edit(context: &Context, comment: &Comment) -> bool {
    // A comment without an author cannot be edited.
    let owner = comment.user_id.map(Id::key);
    owner.is_some() && EDIT.permits(context.viewer(), owner)
}

/// `commentCursor`: the position after what the request's other fields show, if all are read from one snapshot.
pub struct CommentCursor;

impl CommentCursor {
    /// The field.
    pub const FIELD: &str = "commentCursor";
}

impl Batch<Root> for CommentCursor {
    type Arguments = NoArguments;
    type Value = String;

    async fn find(call: Call<'_, Root>) -> Result<Vec<String>, FieldError> {
        let hub = call.context.services().writes.of_domain::<Arc<Hub>>();
        let cursor = match call.context.db().is_snapshot() {
            true => hub.cursor_after_list(call.context.db()).await?,
            false => hub.cursor_before_now(),
        };
        Ok(vec![cursor; call.rows.len()])
    }
}

fn keys_of<A>(call: &Call<'_, Comment, A>) -> Vec<i32> {
    call.iter().map(Comment::key).collect()
}

/// Finds the tombstones of deleted comments. Concurrent fields share a statement.
async fn find_tombstones(call: &Call<'_, Comment>) -> Result<Arc<HashMap<i32, Tombstone>>, FieldError> {
    let statement = Statement { name: "Comment.tombstone", parameters: String::new() };
    look_up(call.context, &statement, &keys_of(call), async |db, keys| reads::read_tombstones(db, &keys).await).await
}

struct IsDeleted;

impl Batch<Comment> for IsDeleted {
    type Arguments = NoArguments;
    type Value = bool;

    async fn find(call: Call<'_, Comment>) -> Result<Vec<bool>, FieldError> {
        let tombstones = find_tombstones(&call).await?;
        Ok(call.iter().map(|comment| tombstones.contains_key(&comment.key())).collect())
    }
}

struct IsHidden;

impl Batch<Comment> for IsHidden {
    type Arguments = NoArguments;
    type Value = bool;

    async fn find(call: Call<'_, Comment>) -> Result<Vec<bool>, FieldError> {
        let tombstones = find_tombstones(&call).await?;
        let is_hidden = |comment: &Comment| tombstones.get(&comment.key()).is_some_and(|tombstone| tombstone.hidden);
        Ok(call.iter().map(is_hidden).collect())
    }
}

struct Depth;

impl Batch<Comment> for Depth {
    type Arguments = NoArguments;
    type Value = Result<i32, FieldError>;

    async fn find(call: Call<'_, Comment>) -> Result<Vec<Self::Value>, FieldError> {
        let replies: Vec<_> = call.iter().filter(|comment| comment.parent_id.is_some()).map(Comment::key).collect();
        let depths = if replies.is_empty() { Arc::default() } else { find_depths(call.context, &replies).await? };
        let depth = |comment: &Comment| match comment.parent_id {
            None => Ok(0),
            Some(_) => depths.get(&comment.key()).copied().ok_or_else(|| ApiError::Gone.into()),
        };
        Ok(call.iter().map(depth).collect())
    }
}

async fn find_depths(context: &Context, replies: &[i32]) -> Result<Arc<HashMap<i32, i32>>, FieldError> {
    let statement = Statement { name: "Comment.depth", parameters: String::new() };
    look_up(context, &statement, replies, async |db, keys| reads::read_depths(db, &keys).await).await
}

struct ReplyCount;

impl Batch<Comment> for ReplyCount {
    type Arguments = NoArguments;
    type Value = Result<i32, FieldError>;

    async fn find(call: Call<'_, Comment>) -> Result<Vec<Self::Value>, FieldError> {
        let counts = count_of(call.context, &RepliesOfComment, &keys_of(&call)).await?;
        Ok(call.iter().map(|comment| as_int(counts.get(&comment.key()).copied().unwrap_or_default())).collect())
    }
}

/// A comment with the replies below it.
#[derive(Debug)]
pub struct CommentThread {
    /// The comments of all threads at this position of the response.
    comments: RowsWithJoins<Comment>,
    nodes: Range<u32>,
    has_more: bool,
}

impl Row for CommentThread {
    fn type_name() -> TypeName {
        "CommentThread".into()
    }
}

/// Threads by the keys of their roots.
struct Threads {
    comments: RowsWithJoins<Comment>,
    /// The comments of a thread, and whether there are more.
    by_root: HashMap<i32, (Range<u32>, bool)>,
}

struct Thread;

impl Batch<Comment> for Thread {
    type Arguments = ThreadArguments;
    type Value = Result<One<CommentThread>, FieldError>;

    async fn find(call: Call<'_, Comment, ThreadArguments>) -> Result<Vec<Self::Value>, FieldError> {
        call.arguments.check()?;
        let ThreadArguments { max_depth, first } = *call.arguments;
        let statement = Statement { name: "Comment.thread", parameters: format!("{max_depth} {first}") };
        let wanted = (keys_of(&call), call.selected.columns());
        let read = async |db, roots: Vec<i32>, columns| read_threads(db, &roots, (max_depth, first), columns).await;
        let threads = look_up_columns(call.context, &statement, (&wanted.0, wanted.1), read).await?;
        let thread = |comment: &Comment| {
            let (nodes, has_more) = threads.by_root.get(&comment.key()).cloned().ok_or(ApiError::Gone)?;
            let range = nodes.start as usize..nodes.end as usize;
            count_texts(call.context, threads.comments.rows[range].iter())?;
            Ok(One(CommentThread { comments: threads.comments.clone(), nodes, has_more }))
        };
        Ok(call.iter().map(thread).collect())
    }
}

async fn read_threads(
    db: &impl ConnectionTrait,
    roots: &[i32],
    (depth, size): (i32, i32),
    columns: Columns,
) -> Result<Threads, DbErr> {
    let mut rows = Query::select();
    table::select::<Comment>(&mut rows, columns);
    let rows = reads::read_threads(db, rows.from(comments::Entity).take(), roots, (depth, size)).await?;
    let root_at = table::width::<Comment>(columns);
    let mut comments = Vec::with_capacity(rows.len());
    let mut by_root: HashMap<i32, (Range<u32>, bool)> = HashMap::with_capacity(roots.len());
    // Rows are grouped by root.
    for row in &rows {
        let end = index(comments.len());
        let (nodes, has_more) = by_root.entry(row.try_get_by_index(root_at)?).or_insert((end..end, false));
        if nodes.len() < size.unsigned_abs() as usize {
            comments.push(Comment::read(row, 0, columns)?);
            nodes.end += 1;
        } else {
            *has_more = true;
        }
    }
    Ok(Threads { comments: comments.into(), by_root })
}

struct ThreadNodes;

impl graphql::Resolve<CommentThread> for ThreadNodes {
    type Arguments = NoArguments;

    fn type_name(_: &mut graphql::Registry) -> String {
        "[Comment!]!".to_owned()
    }

    async fn resolve(call: Call<'_, CommentThread>) -> Column {
        lists(call.iter().map(|thread| (&thread.comments, thread.nodes.clone())))
    }
}

/// Defines a list of comments: its name, its parent, the column that refers to it, its arguments, and its comments.
macro_rules! comment_list {
    ($list:ident, $name:literal, $parent:ty, $column:ident, $arguments:ident, only: $only:expr) => {
        #[doc = concat!("`", $name, "`.")]
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $list;

        impl List for $list {
            type Parent = $parent;
            type Row = Comment;
            type Order = CommentOrder;
            type Arguments = $arguments;

            const LIST: &'static str = $name;

            fn parent_column() -> comments::Column {
                comments::Column::$column
            }

            fn rows(&self) -> Select<comments::Entity> {
                let rows = comments::Entity::find();
                let only: Option<Expr> = $only;
                rows.filter(Condition::all().add_option(only))
            }

            fn new(_: &Context, $arguments { order_by }: &$arguments) -> ApiResult<(Self, CommentOrder)> {
                Ok((Self, *order_by))
            }
        }
    };
}

comment_list!(CommentsOfMovie, "Movie.comments", Movie, MovieId, CommentsArguments, only: Some(comments::Column::ParentId.is_null()));
comment_list!(
    CommentsOfPublication,
    "Publication.comments",
    Publication,
    PublicationId,
    CommentsArguments,
    only: Some(comments::Column::ParentId.is_null())
);
comment_list!(
    CommentsOfUser,
    "User.comments",
    User,
    UserId,
    CommentsArguments,
    only: Some(shows_with(comments::Column::PublicationId.into_expr(), "publications"))
);
comment_list!(RepliesOfComment, "Comment.replies", Comment, ParentId, RepliesArguments, only: None);

/// `comments`.
#[derive(Debug)]
pub struct Comments;

impl RootList for Comments {
    type Row = Comment;
    type Arguments = AllCommentsArguments;
    type Order = CommentOrder;

    const LIST: &'static str = "comments";

    async fn rows(
        _: &Context,
        AllCommentsArguments { subject_id, order_by }: &AllCommentsArguments,
    ) -> ApiResult<ListSelect<Self>> {
        let mut rows =
            comments::Entity::find().filter(shows_with(comments::Column::PublicationId.into_expr(), "publications"));
        if let Some(id) = subject_id {
            let subject = SubjectId::parse("subjectId", id)?;
            let (column, key) = subject.column(comments::Column::MovieId, comments::Column::PublicationId);
            rows = rows.filter(column.eq(key));
        }
        Ok((rows, *order_by))
    }
}
