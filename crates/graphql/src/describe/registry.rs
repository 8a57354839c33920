//! Registers descriptions with async-graphql, which prints the schema and answers introspection.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::sync::Arc;

use async_graphql::parser::types::Field as AstField;
use async_graphql::registry::{Deprecation, MetaField, MetaType, Registry};
use async_graphql::{
    CacheControl, ContainerType, Context, ContextSelectionSet, ObjectType as AsyncObjectType, OutputType, Positioned,
    Response, ServerResult, SubscriptionType, Value,
};
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

use super::object::{Abstract, FieldDescription, ObjectType};
use super::{Description, TypeName};
use crate::execution::FieldError;

/// A Rust type that describes a schema.
pub trait Describe: Send + Sync + 'static {
    /// The schema. It is called several times: build it once and store it.
    fn description() -> Arc<Description>;
}

/// The schema for async-graphql, which prints and introspects it.
pub struct Introspection<D>(async_graphql::Schema<Query<D>, Mutation<D>, SubscriptionRoot<D>>);

impl<D: Describe> Introspection<D> {
    /// Registers the schema.
    #[must_use]
    pub fn new() -> Self {
        let (query, mutation, subscription) =
            (Query(PhantomData), Mutation(PhantomData), SubscriptionRoot(PhantomData));
        let schema = async_graphql::Schema::build(query, mutation, subscription);
        // `validation` has checked the document, and `Limits` its depth.
        let schema = schema.validation_mode(async_graphql::ValidationMode::Fast).limit_recursive_depth(usize::MAX);
        Self(schema.finish())
    }

    /// The schema definition.
    pub fn sdl(&self) -> String {
        self.0.sdl_with_options(async_graphql::SDLExportOptions::new().include_specified_by())
    }
}

impl<D: Describe> Default for Introspection<D> {
    fn default() -> Self {
        Self::new()
    }
}

impl<D> std::fmt::Debug for Introspection<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Introspection")
    }
}

/// Executes selections of `__schema` and `__type`.
pub(crate) trait Introspect: Send + Sync {
    /// Executes a document that selects only these, and returns its data.
    fn introspect(&self, document: String) -> BoxFuture<'_, Result<Value, FieldError>>;
}

impl<D: Describe> Introspect for Introspection<D> {
    fn introspect(&self, document: String) -> BoxFuture<'_, Result<Value, FieldError>> {
        Box::pin(async move {
            let response = self.0.execute(document).await;
            match response.errors.into_iter().next() {
                None => Ok(response.data),
                Some(error) => Err(FieldError::internal(error.message)),
            }
        })
    }
}

/// Whether a schema has this root type.
fn has_root<D: Describe>(name: &str) -> bool {
    D::description().objects.contains_key(name)
}

/// Makes a root type for async-graphql, which never resolves its fields.
macro_rules! root {
    ($root:ident, $($register:tt)*) => {
        struct $root<D>(PhantomData<fn() -> D>);

        impl<D: Describe> OutputType for $root<D> {
            fn type_name() -> Cow<'static, str> {
                stringify!($root).into()
            }

            fn create_type_info(registry: &mut Registry) -> String {
                let register: fn(&mut Registry) = $($register)*;
                register(registry);
                <Self as OutputType>::qualified_type_name()
            }

            async fn resolve(&self, _: &ContextSelectionSet<'_>, _: &Positioned<AstField>) -> ServerResult<Value> {
                Ok(Value::Null)
            }
        }

        impl<D: Describe> ContainerType for $root<D> {
            fn is_empty() -> bool {
                !has_root::<D>(stringify!($root))
            }

            async fn resolve_field(&self, _: &Context<'_>) -> ServerResult<Option<Value>> {
                Ok(None)
            }
        }

        impl<D: Describe> AsyncObjectType for $root<D> {}
    };
}

root!(Query, |registry| D::description().register(registry));
// `Query` has registered all types.
root!(Mutation, |_| ());

struct SubscriptionRoot<D>(PhantomData<fn() -> D>);

impl<D: Describe> SubscriptionType for SubscriptionRoot<D> {
    fn type_name() -> Cow<'static, str> {
        SUBSCRIPTION.into()
    }

    fn create_type_info(_: &mut Registry) -> String {
        Self::qualified_type_name()
    }

    fn is_empty() -> bool {
        !has_root::<D>(SUBSCRIPTION)
    }

    fn create_field_stream<'a>(&'a self, _: &'a Context<'_>) -> Option<BoxStream<'a, Response>> {
        None
    }
}

const SUBSCRIPTION: &str = "Subscription";

impl Description {
    /// Adds all types to a registry that does not have them yet.
    fn register(&self, registry: &mut Registry) {
        for (name, interface) in &self.interfaces {
            registry.types.insert(name.clone().into_owned(), self.interface_type(name, interface));
        }
        for (name, union) in &self.unions {
            registry.types.insert(name.clone().into_owned(), union_type(name, union));
        }
        for (name, object) in &self.objects {
            let of = object_type(name, object, registry);
            registry.types.insert(name.clone().into_owned(), of);
            object.interfaces.iter().for_each(|interface| registry.add_implements(name, interface));
        }
    }

    fn interface_type(&self, name: &TypeName, interface: &Abstract) -> MetaType {
        let fields = interface
            .fields
            .iter()
            .map(|(name, description, of)| ((*name).to_owned(), field(name, description, (*of).to_owned(), None)));
        let objects = self.objects.iter().filter(|(_, object)| object.interfaces.iter().any(|other| other == name));
        MetaType::Interface {
            name: name.clone().into_owned(),
            description: described(interface.description),
            fields: fields.collect(),
            possible_types: objects.map(|(name, _)| name.clone().into_owned()).collect(),
            extends: false,
            keys: None,
            visible: None,
            inaccessible: false,
            tags: Vec::new(),
            rust_typename: None,
            directive_invocations: Vec::new(),
            requires_scopes: Vec::new(),
        }
    }
}

fn described(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn union_type(name: &TypeName, union: &Abstract) -> MetaType {
    MetaType::Union {
        name: name.clone().into_owned(),
        description: described(union.description),
        possible_types: union.members.iter().map(|name| name.clone().into_owned()).collect(),
        visible: None,
        inaccessible: false,
        tags: Vec::new(),
        rust_typename: None,
        directive_invocations: Vec::new(),
    }
}

fn object_type(name: &TypeName, object: &ObjectType, registry: &mut Registry) -> MetaType {
    let described_field = |(name, of): (&&'static str, &FieldDescription), registry: &mut Registry| {
        let mut meta = field(name, of.description, of.type_name(registry), of.deprecated);
        meta.args = (of.arguments)(registry);
        ((*name).to_owned(), meta)
    };
    MetaType::Object {
        name: name.clone().into_owned(),
        description: described(object.description),
        fields: object.fields.iter().map(|entry| described_field(entry, registry)).collect(),
        cache_control: CacheControl::default(),
        extends: false,
        shareable: false,
        resolvable: true,
        keys: None,
        visible: None,
        inaccessible: false,
        interface_object: false,
        tags: Vec::new(),
        is_subscription: name == SUBSCRIPTION,
        rust_typename: None,
        directive_invocations: Vec::new(),
        requires_scopes: Vec::new(),
    }
}

fn field(name: &str, description: &str, of: String, deprecated: Option<&str>) -> MetaField {
    let deprecation = match deprecated {
        Some(reason) => Deprecation::Deprecated { reason: Some(reason.to_owned()) },
        None => Deprecation::NoDeprecated,
    };
    MetaField {
        name: name.to_owned(),
        description: described(description),
        args: Default::default(),
        ty: of,
        deprecation,
        cache_control: CacheControl::default(),
        external: false,
        requires: None,
        provides: None,
        visible: None,
        shareable: false,
        inaccessible: false,
        tags: Vec::new(),
        override_from: None,
        compute_complexity: None,
        directive_invocations: Vec::new(),
        requires_scopes: Vec::new(),
    }
}
