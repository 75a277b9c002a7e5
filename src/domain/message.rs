//! One message of a conversation, as far as signals and local answers read it.

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The operator's instructions (`system` or `developer`).
    System,
    /// The person asking.
    User,
    /// The model's earlier answers.
    Assistant,
    /// What a tool returned.
    Tool,
}

/// One message: who speaks, and its text parts joined by a newline. Images and tool calls are counted in
/// [`Needs`](super::Needs); the bytes that are sent on are the request's own, never rebuilt from this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// The text, unescaped. Empty when the message has none.
    pub text: String,
}
