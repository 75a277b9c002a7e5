//! What goes over the wire between callers and us, one folder for each dialect.

pub(super) mod openai;
