//! The fields that editors set of catalogue objects, each defined once.

/// Defines the fields that editors set of an object: description, name, column if it has another name, type and check
/// ([`Check`](crate::form::Check)).
///
/// ```ignore
/// /// The running time, in minutes.
/// duration_minutes as duration: i32 => whole(0..=i32::MAX),
/// ```
///
/// Generates the inputs of the three mutations, and the code that fills a row. A `required` field must be set in a new
/// object and is never null. An `optional` field may be null. A `defaulted` field may be omitted and is never null.
#[macro_export]
macro_rules! fields {
    (@column $row:ident $field:ident) => { $row.$field };
    (@column $row:ident $field:ident $column:ident) => { $row.$column };
    (
        $object:ident: $create_input:ident, $update_input:ident, $delete_input:ident;
        required { $($(#[$r_doc:meta])* $r:ident $(as $r_column:ident)?: $r_type:ty => $r_check:expr,)* }
        $(optional { $($(#[$o_doc:meta])* $o:ident $(as $o_column:ident)?: $o_type:ty => $o_check:expr,)* })?
        $(defaulted { $($(#[$d_doc:meta])* $d:ident $(as $d_column:ident)?: $d_type:ty => $d_check:expr,)* })?
    ) => {
        #[doc = concat!("A new `", stringify!($object), "`.")]
        #[derive(Clone, Debug, async_graphql::InputObject)]
        pub struct $create_input {
            $($(#[$r_doc])* $r: $r_type,)*
            $($($(#[$o_doc])* $o: async_graphql::MaybeUndefined<$o_type>,)*)?
            $($($(#[$d_doc])* $d: async_graphql::MaybeUndefined<$d_type>,)*)?
        }

        #[doc = concat!("The changes to a `", stringify!($object), "`. Omitted fields keep their values.")]
        #[doc = "Null clears an optional field."]
        #[derive(Clone, Debug, async_graphql::InputObject)]
        pub struct $update_input {
            /// The id of the object.
            id: async_graphql::ID,
            $($(#[$r_doc])* $r: async_graphql::MaybeUndefined<$r_type>,)*
            $($($(#[$o_doc])* $o: async_graphql::MaybeUndefined<$o_type>,)*)?
            $($($(#[$d_doc])* $d: async_graphql::MaybeUndefined<$d_type>,)*)?
        }

        #[doc = concat!("The `", stringify!($object), "` to delete.")]
        #[derive(Clone, Debug, async_graphql::InputObject)]
        pub struct $delete_input {
            /// The id of the object.
            id: async_graphql::ID,
        }

        const _: () = {
            /// The fields as a client sends them.
            #[derive(Debug)]
            pub struct Fields {
                $($r: async_graphql::MaybeUndefined<$r_type>,)*
                $($($o: async_graphql::MaybeUndefined<$o_type>,)*)?
                $($($d: async_graphql::MaybeUndefined<$d_type>,)*)?
            }

            impl $crate::edit::Fillable for $object {
                type Fields = Fields;

                async fn fill(
                    form: &mut $crate::form::Form<'_>,
                    fields: Fields,
                    row: &mut $crate::edit::Draft<Self>,
                ) -> Result<(), sea_orm::DbErr> {
                    let Fields { $($r,)* $($($o,)*)? $($($d,)*)? } = fields;
                    $(form.must(
                        &mut $crate::fields!(@column row $r $($r_column)?),
                        $crate::field!($r),
                        $r_check,
                    )
                    .await?;)*
                    $($(form.may(
                        &mut $crate::fields!(@column row $o $($o_column)?),
                        $crate::field!($o),
                        $o_check,
                    )
                    .await?;)*)?
                    $($(form.must(
                        &mut $crate::fields!(@column row $d $($d_column)?),
                        $crate::field!($d),
                        $d_check,
                    )
                    .await?;)*)?
                    Ok(())
                }
            }

            impl $crate::changes::EditableInputs for $object {
                type Create = $create_input;
                type Update = $update_input;
                type Delete = $delete_input;

                fn new_fields(input: $create_input) -> Fields {
                    let $create_input { $($r,)* $($($o,)*)? $($($d,)*)? } = input;
                    Fields {
                        $($r: async_graphql::MaybeUndefined::Value($r),)*
                        $($($o,)*)?
                        $($($d,)*)?
                    }
                }

                fn changed_fields(input: $update_input) -> (async_graphql::ID, Fields) {
                    let $update_input { id, $($r,)* $($($o,)*)? $($($d,)*)? } = input;
                    (id, Fields { $($r,)* $($($o,)*)? $($($d,)*)? })
                }

                fn deleted(input: &$delete_input) -> &async_graphql::ID {
                    &input.id
                }
            }
        };
    };
}
pub use fields;
