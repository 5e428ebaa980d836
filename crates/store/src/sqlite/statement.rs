//! Statements that are prepared once and kept.
//!
//! Boundary: rusqlite's statements; the text comes from `crate::statement`.
//! Read first: [`statements`].   Tests: `conformance`

/// A struct of prepared statements, each named as in the file that it comes from.
macro_rules! statements {
    ($(#[$doc:meta])* $name:ident from $file:literal { $($statement:ident),+ $(,)? }) => {
        $(#[$doc])*
        pub(super) struct $name<'c> {
            $($statement: rusqlite::Statement<'c>,)+
        }

        impl<'c> $name<'c> {
            pub(super) fn prepare(connection: &'c rusqlite::Connection) -> rusqlite::Result<Self> {
                Ok(Self {
                    $($statement: connection.prepare(const {
                        $crate::statement::named(
                            include_str!(concat!(
                                env!("CARGO_MANIFEST_DIR"),
                                "/src/sql/",
                                $file,
                                ".sqlite.sql"
                            )),
                            stringify!($statement),
                        )
                    })?,)+
                })
            }
        }
    };
}

pub(super) use statements;
