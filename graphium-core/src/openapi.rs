//! Schemas of types that are text on the wire.

/// Gives each type the schema of a string.
macro_rules! text_schema {
    ($($name:ty),*) => {$(
        #[cfg(feature = "openapi")]
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                String::schema()
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::ToSchema for $name {}
    )*};
}
pub(crate) use text_schema;
