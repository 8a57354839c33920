//! Batch reads of comments for the old engine: see [`reads`].

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use entity::comments;
use sea_orm::{DbErr, EntityTrait, FromQueryResult, PartialModelTrait, QuerySelect, QueryTrait};

use super::reads::{self, Tombstone};
use super::types::{Comment, CommentThread};
use crate::error::log_database;
use crate::kit::Id;
use crate::kit::in_place::AllInPlace;
use crate::kit::load::Reader;

/// Asks whether a comment is deleted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TombstoneOf(pub Id<Comment>);

/// Asks how deep in its thread a comment stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DepthOf(pub Id<Comment>);

/// Asks for a comment with its replies, `depth` levels down, `size` comments at most.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ThreadOf {
    pub root: Id<Comment>,
    pub depth: i32,
    pub size: i32,
}

impl Loader<TombstoneOf> for Reader {
    type Value = Tombstone;
    type Error = Arc<DbErr>;

    async fn load(&self, keys: &[TombstoneOf]) -> Result<HashMap<TombstoneOf, Tombstone>, Arc<DbErr>> {
        let ids: Vec<_> = keys.iter().map(|key| key.0.key()).collect();
        let found = reads::read_tombstones(self.db(), &ids).await.map_err(log_database)?;
        Ok(found.into_iter().map(|(id, tombstone)| (TombstoneOf(Id::new(id)), tombstone)).collect())
    }
}

impl Loader<DepthOf> for Reader {
    type Value = i32;
    type Error = Arc<DbErr>;

    async fn load(&self, keys: &[DepthOf]) -> Result<HashMap<DepthOf, i32>, Arc<DbErr>> {
        let ids: Vec<_> = keys.iter().map(|key| key.0.key()).collect();
        let found = reads::read_depths(self.db(), &ids).await.map_err(log_database)?;
        Ok(found.into_iter().map(|(id, depth)| (DepthOf(Id::new(id)), depth)).collect())
    }
}

impl Loader<ThreadOf> for Reader {
    // Aliases share it.
    type Value = Arc<CommentThread>;
    type Error = Arc<DbErr>;

    async fn load(&self, keys: &[ThreadOf]) -> Result<HashMap<ThreadOf, Arc<CommentThread>>, Arc<DbErr>> {
        let mut groups: HashMap<(i32, i32), Vec<i32>> = HashMap::new();
        for key in keys {
            groups.entry((key.depth, key.size)).or_default().push(key.root.key());
        }
        let mut threads: HashMap<_, CommentThread> = HashMap::with_capacity(keys.len());
        for ((depth, size), roots) in groups {
            let rows = Comment::select_cols(comments::Entity::find().select_only()).into_query();
            let rows = reads::read_threads(self.db(), rows, &roots, (depth, size)).await.map_err(log_database)?;
            for row in &rows {
                let root = row.try_get("", "root").map_err(log_database)?;
                let comment = Comment::from_query_result(row, "").map_err(log_database)?;
                let key = ThreadOf { root: Id::new(root), depth, size };
                let thread = threads
                    .entry(key)
                    .or_insert_with(|| CommentThread { nodes: AllInPlace(Vec::new()), has_more: false });
                if thread.nodes.0.len() < size.unsigned_abs() as usize {
                    thread.nodes.0.push(comment);
                } else {
                    thread.has_more = true;
                }
            }
        }
        Ok(threads.into_iter().map(|(key, thread)| (key, Arc::new(thread))).collect())
    }
}
