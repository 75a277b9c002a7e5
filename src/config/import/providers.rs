//! The providers whose API is one of ours, by LiteLLM's names for them.

/// How a provider is spoken to.
pub(super) struct Provider {
    names: &'static [&'static str],
    /// Where it is, unless the file says; `None` where the file has to.
    pub(super) base: Option<&'static str>,
    /// The variable from which LiteLLM takes its key where the file names none.
    pub(super) key: Option<&'static str>,
    /// What our addresses end with and LiteLLM's need not.
    pub(super) ending: &'static str,
    /// Speaks Anthropic's Messages, not OpenAI's chat completions.
    pub(super) is_anthropic: bool,
    /// Its key goes into Azure's header.
    pub(super) is_azure: bool,
}

const fn at(names: &'static [&'static str], base: &'static str, key: &'static str) -> Provider {
    Provider {
        base: Some(base),
        key: Some(key),
        ..somewhere(names)
    }
}

const fn somewhere(names: &'static [&'static str]) -> Provider {
    Provider {
        names,
        base: None,
        key: None,
        ending: "",
        is_anthropic: false,
        is_azure: false,
    }
}

const PROVIDERS: &[Provider] = &[
    at(&["openai"], "https://api.openai.com/v1", "OPENAI_API_KEY"),
    Provider {
        key: Some("AZURE_API_KEY"),
        ending: "/openai/v1",
        is_azure: true,
        ..somewhere(&["azure"])
    },
    Provider {
        ending: "/v1",
        is_anthropic: true,
        ..at(
            &["anthropic"],
            "https://api.anthropic.com/v1",
            "ANTHROPIC_API_KEY",
        )
    },
    at(&["groq"], "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    at(
        &["together_ai"],
        "https://api.together.xyz/v1",
        "TOGETHERAI_API_KEY",
    ),
    at(
        &["deepseek"],
        "https://api.deepseek.com/v1",
        "DEEPSEEK_API_KEY",
    ),
    at(&["mistral"], "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    at(&["xai"], "https://api.x.ai/v1", "XAI_API_KEY"),
    at(
        &["openrouter"],
        "https://openrouter.ai/api/v1",
        "OPENROUTER_API_KEY",
    ),
    at(
        &["gemini"],
        "https://generativelanguage.googleapis.com/v1beta/openai",
        "GEMINI_API_KEY",
    ),
    Provider {
        base: Some("http://127.0.0.1:11434/v1"),
        ending: "/v1",
        ..somewhere(&["ollama", "ollama_chat"])
    },
    Provider {
        base: Some("http://127.0.0.1:1234/v1"),
        ..somewhere(&["lm_studio"])
    },
    somewhere(&["hosted_vllm", "vllm", "custom_openai", "litellm_proxy"]),
];

/// The names that can be carried over, for a note.
pub(super) fn known() -> String {
    let names = PROVIDERS.iter().flat_map(|provider| provider.names);
    let names = names.chain(&super::clouds::NAMES);
    names.copied().collect::<Vec<_>>().join(", ")
}

/// The provider, its name, and what it calls the model, of `provider/model`. A model without a provider is one of those
/// that LiteLLM knows by heart.
pub(super) fn find<'a>(
    model: &'a str,
    stated: Option<&'a str>,
) -> Result<(&'static Provider, &'a str), &'a str> {
    let by_name = |name: &str| {
        let mut all = PROVIDERS.iter();
        all.find(|provider| provider.names.contains(&name))
    };
    if let Some(name) = stated {
        let own = model
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('/'));
        return by_name(name)
            .map(|it| (it, own.unwrap_or(model)))
            .ok_or(name);
    }
    if let Some((name, rest)) = model.split_once('/') {
        return by_name(name).map(|it| (it, rest)).ok_or(name);
    }
    let starts = |heads: &[&str]| heads.iter().any(|head| model.starts_with(head));
    let guess = if starts(&["gpt-", "chatgpt-", "o1", "o3", "o4"]) {
        "openai"
    } else if starts(&["claude-"]) {
        "anthropic"
    } else {
        return Err(model);
    };
    by_name(guess).map(|it| (it, model)).ok_or(guess)
}

impl Provider {
    /// An address of LiteLLM's as one of ours. Gemini's is another API's there, so it is not taken.
    pub(super) fn address(&self, stated: &str) -> String {
        let stated = stated.trim_end_matches('/');
        let stated = match stated.split_once("/openai") {
            Some((host, _)) if self.is_azure => host,
            Some(_) | None => stated,
        };
        match stated.ends_with(self.ending) {
            true => stated.to_owned(),
            false => format!("{stated}{}", self.ending),
        }
    }

    /// True where LiteLLM's address is that of another API than the one we speak.
    pub(super) fn has_other_front(&self) -> bool {
        self.names.contains(&"gemini")
    }
}
