//! The names of the rules, and violations.

use std::fmt;

use crate::error::{LimitExceeded, SourcePosition};

macro_rules! rules {
    ($($(#[$doc:meta])* $rule:ident,)*) => {
        /// A rule of the specification, with its name in graphql-js.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ValidationRule {
            $($(#[$doc])* $rule,)*
        }

        impl ValidationRule {
            /// The name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$rule => stringify!($rule),)*
                }
            }
        }
    };
}

rules! {
    /// Operations have different names.
    UniqueOperationNames,
    /// An operation without a name is the only one.
    LoneAnonymousOperation,
    /// The schema has a root for the operation.
    KnownOperationTypes,
    /// A subscription has one root field, without `@skip` and `@include`.
    SingleFieldSubscriptions,
    /// Named types exist.
    KnownTypeNames,
    /// Fragments are on objects, interfaces and unions.
    FragmentsOnCompositeTypes,
    /// Variables have input types.
    VariablesAreInputTypes,
    /// Leaves have no selection, other fields have one.
    ScalarLeafs,
    /// Fields exist.
    FieldsOnCorrectType,
    /// Fragments have different names.
    UniqueFragmentNames,
    /// Fragments that are spread exist.
    KnownFragmentNames,
    /// Fragments are spread somewhere.
    NoUnusedFragments,
    /// Fragments can apply where they are spread.
    PossibleFragmentSpreads,
    /// Fragments do not spread themselves.
    NoFragmentCycles,
    /// Variables of an operation have different names.
    UniqueVariableNames,
    /// Variables that are used are defined.
    NoUndefinedVariables,
    /// Variables that are defined are used.
    NoUnusedVariables,
    /// Directives exist and are allowed at their locations.
    KnownDirectives,
    /// A directive occurs once at a location.
    UniqueDirectivesPerLocation,
    /// Arguments exist.
    KnownArgumentNames,
    /// An argument is given once.
    UniqueArgumentNames,
    /// Values fit their types.
    ValuesOfCorrectType,
    /// Required arguments are given.
    ProvidedRequiredArguments,
    /// The types of variables fit their positions.
    VariablesInAllowedPosition,
    /// Fields with the same name in the response are the same.
    OverlappingFieldsCanBeMerged,
    /// A field of an input object is given once.
    UniqueInputFieldNames,
}

/// A rule that a document violates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The rule.
    pub rule: ValidationRule,
    /// One sentence.
    pub message: String,
    /// The position; several if they contradict each other.
    pub positions: Vec<SourcePosition>,
    /// The path of the argument or input field with the invalid value, such as `filter.year.from`.
    pub input: Option<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// A document is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// It violates rules.
    #[error("{}", .0.first().map_or("", |violation| &violation.message))]
    Rules(Vec<Violation>),
    /// It takes too many steps to validate.
    #[error("{0}")]
    Limit(LimitExceeded),
}
