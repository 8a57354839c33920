//! Ratings, and the totals of movies and publications.

use entity::{publications, users_rating};
use graphql::{Batch, Call, Context, Description, FieldError, NoArguments, Object, One, Row, TypeName};

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Select};

use super::reads;
use crate::account::User;
use crate::error::ApiResult;
use crate::kit::rows::{ContextExt, List, RowObject, Statement, look_up, row, shows_with};
use crate::kit::scalar::DateTime;
use crate::kit::{ByKey, Id};
use crate::movie::Movie;
use crate::planted;
use crate::publication::Publication;
use crate::subject::SubjectId;
use crate::subject::objects::{AsSubject, SubjectObject};

row! {
    /// A rating of a movie or a publication by a user.
    Rating of users_rating [with: publication_id of publications] {
        id: Id<Rating>,
        rating: i16,
        created_at: DateTime,
        user_id: Id<User>,
        movie_id: Option<Id<Movie>>,
        publication_id: Option<Id<Publication>>,
    }
}

/// A summary of all users' ratings of a movie or a publication.
#[derive(Clone, Debug)]
pub struct UserRating {
    average: Option<f64>,
    count: i32,
    histogram: Vec<i32>,
}

impl UserRating {
    /// The totals of these numbers of ratings of 1, 2, 3, 4 and 5, with the average in thousandths.
    pub(super) fn of(given: [i32; 5], average: Option<i32>) -> Self {
        Self {
            average: average.map(|thousandths| f64::from(thousandths) / 1e3),
            count: given.iter().sum(),
            histogram: given.to_vec(),
        }
    }
}

impl Row for UserRating {
    fn type_name() -> TypeName {
        "UserRating".into()
    }
}

/// The types of this domain.
pub fn describe(description: &mut Description) {
    description.object(
        Object::<Rating>::new("A rating of a movie or a publication by a user.")
            .node()
            .column("rating", "The rating, from 1 to 5.", Rating::rating)
            .column("createdAt", "When the user rated.", Rating::created_at)
            .nullable_link("user", "The user who rated. Null if the account was deleted.", Rating::user_id)
            .subject("The rated movie or publication.", Rating::movie_id, Rating::publication_id),
    );
    description.object(
        Object::<UserRating>::new("A summary of all users' ratings of a movie or a publication.")
            .value(
                "average",
                "The average rating from 1 to 5, rounded to three decimals. Null if there are no \
             ratings.",
                |totals| totals.average,
            )
            .value("count", "The number of ratings.", |totals| totals.count)
            .value("histogram", "The number of ratings of 1, 2, 3, 4 and 5, in this order.", |totals| {
                totals.histogram.clone()
            }),
    );
}

fn numbers_of<T: AsSubject>(call: &Call<'_, T>) -> Vec<i32> {
    call.iter().map(|row| row.as_subject().number()).collect()
}

fn subjects_of(numbers: &[i32]) -> Vec<SubjectId> {
    numbers.iter().map(|number| SubjectId::of_number(*number)).collect()
}

/// `userRating`: all users' ratings of a subject. One statement reads those of movies and of publications.
#[derive(Debug)]
pub struct RatingTotals;

impl<T: AsSubject> Batch<T> for RatingTotals {
    type Arguments = NoArguments;
    type Value = One<UserRating>;

    async fn find(call: Call<'_, T>) -> Result<Vec<One<UserRating>>, FieldError> {
        let statement = Statement { name: "UserRating", parameters: String::new() };
        let totals = look_up(call.context, &statement, &numbers_of(&call), async |db, numbers| {
            reads::read_totals(db, &subjects_of(&numbers)).await
        })
        .await?;
        let total = |row: &T| totals.get(&row.as_subject()).cloned().unwrap_or_else(|| UserRating::of([0; 5], None));
        Ok(call.iter().map(|row| One(total(row))).collect())
    }
}

/// `viewerRating`: the viewer's rating of a subject.
#[derive(Debug)]
pub struct ViewerRating;

impl<T: AsSubject> Batch<T> for ViewerRating {
    type Arguments = NoArguments;
    type Value = Option<i16>;

    async fn find(call: Call<'_, T>) -> Result<Vec<Option<i16>>, FieldError> {
        let Some(viewer) = call.context.viewer() else { return Ok(vec![None; call.rows.len()]) };
        // Requests share statements, so the viewer is a part of the statement.
        let user = planted::reader(viewer.user);
        let statement = Statement { name: "viewerRating", parameters: user.to_string() };
        let given = look_up(call.context, &statement, &numbers_of(&call), async |db, numbers| {
            reads::read_given(db, user, &subjects_of(&numbers)).await
        })
        .await?;
        Ok(call.iter().map(|row| given.get(&row.as_subject()).copied()).collect())
    }
}

/// `User.ratings`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RatingsOfUser;

impl List for RatingsOfUser {
    type Parent = User;
    type Row = Rating;
    type Order = ByKey<Rating>;
    type Arguments = NoArguments;

    const LIST: &'static str = "User.ratings";

    fn parent_column() -> users_rating::Column {
        users_rating::Column::UserId
    }

    fn rows(&self) -> Select<users_rating::Entity> {
        let publication = users_rating::Column::PublicationId.into_expr();
        users_rating::Entity::find().filter(shows_with(publication, "publications"))
    }

    fn new(_: &Context, NoArguments: &NoArguments) -> ApiResult<(Self, Self::Order)> {
        Ok((Self, ByKey::default()))
    }
}
