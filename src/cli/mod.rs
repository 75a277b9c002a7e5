//! The command line: what a person types, and what a person reads.
//!
//! Exit codes: 0 done, 1 the input is wrong or a promise does not hold, 2 usage. Only this room prints.

mod audit;
mod calibrate;
mod cases;
mod check;
mod explain;
mod import;
mod keys;
mod knowledge;
mod learn;
mod models;
mod modes;
mod outcomes;
mod replay;
mod report;
mod serve;
mod show;
mod signals;
mod similar;
mod time;

use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// Routes each LLM request: routine ones are answered here, hard ones go to a remote model, repeated ones come from the
/// cache; one YAML file decides, and every decision is recorded.
#[derive(Parser)]
#[command(
    name = "firstline",
    version,
    propagate_version = true,
    arg_required_else_help = true
)]
#[command(after_help = "\
Start here:
  firstline demo                               see it work, with nothing but this repository
  firstline check policies/support-chatbot.yaml
  firstline explain --config policies/support-chatbot.yaml --message 'where is my parcel?'
  OPENAI_API_KEY=... firstline serve           then point any OpenAI client at http://127.0.0.1:8080/v1")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Sends a support conversation through a real gateway and shows why each turn went where it went
    Demo(Demo),
    /// Runs the gateway
    Serve(Serve),
    /// Checks config files offline: every mistake at once, with file, line and what would be right
    Check(Check),
    /// Prints the JSON Schema of the configuration, from which editors complete and check
    Schema,
    /// Shows what policy would do with a request and why; sends nothing
    Explain(Explain),
    /// Reads requests as JSON lines and writes every signal of each
    Signals(Signals),
    /// Finds the threshold that keeps a promise about local answers, or checks whether it was kept
    Calibrate(Calibrate),
    /// Learns your own topics, or what is too hard for the local tier, from labelled examples; prints held-out scores
    Learn(Learn),
    /// Reads pairs of questions as JSON lines and says of each whether one cached answer may serve both
    Similar(Similar),
    /// Puts recorded requests to another policy: what would go elsewhere, what it would cost, what must not have left
    Replay(Replay),
    /// Makes a policy of another gateway's config, and says what was not carried over
    Import(import::Import),
    /// Looks after the keys of callers
    Keys(keys::Keys),
    /// Shows the approved answers there are, and puts your own questions to them
    Knowledge(knowledge::Knowledge),
    /// Looks after the models that ship
    Models(Models),
    /// Says what was spent and saved, who answered, and how long it took
    Report(report::Report),
    /// Proves what a journal says: that it is as it was written, and where each request went
    Audit(audit::Audit),
}

#[derive(Args)]
struct Demo {
    /// Leave the gateway and the stand-in running afterwards, and print where they are
    #[arg(long)]
    keep: bool,
    /// The folder with the demo's knowledge base, conversation and policy
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

#[derive(Args)]
struct Serve {
    /// The configuration; without one: what OPENAI_API_KEY and OPENAI_BASE_URL say, else local answers only
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen, over what the configuration says
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Serve everyone who reaches an address open to other machines, where the configuration names no callers and says
    /// `listen.allow_anonymous: true` too
    #[arg(long)]
    allow_anonymous: bool,
    /// Log as JSON lines
    #[arg(long)]
    log_json: bool,
}

#[derive(Args)]
struct Check {
    /// The files to check
    #[arg(required_unless_present = "cases", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Decide every policy case (.txt) under this folder, too, and compare; cases that name no policy are decided under FILE
    #[arg(long, value_name = "DIR")]
    cases: Option<PathBuf>,
    /// Write what was found as JSON
    #[arg(long)]
    json: bool,
    /// Print the settings as meant, defaults included
    #[arg(long)]
    show: bool,
}

#[derive(Args)]
#[group(required = true, multiple = false, id = "what")]
struct What {
    /// What a person would ask
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,
    /// A file with a chat completion request
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
}

#[derive(Args)]
struct Explain {
    /// The configuration
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
    #[command(flatten)]
    what: What,
    /// Ask as this caller of the configuration
    #[arg(long, value_name = "NAME")]
    caller: Option<String>,
    /// Write it as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Signals {
    /// The configuration: its knowledge and data classes; without one, the built-in ones
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Args)]
struct Replay {
    /// The policy to put them to
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// The folder of the journal
    #[arg(value_name = "JOURNAL")]
    journal: PathBuf,
    /// Only requests from this moment on: 2026-11-21 or 2026-11-21T08:30:00Z, in UTC
    #[arg(long, value_name = "TIME", value_parser = time::millis)]
    from: Option<u64>,
    /// Only requests before this moment
    #[arg(long, value_name = "TIME", value_parser = time::millis)]
    to: Option<u64>,
    /// Verdicts on answers, as JSON lines: {"decision_id": …, "verdict": "good" | "bad" | "escalated_to_human"}
    #[arg(long, value_name = "FILE")]
    outcomes: Option<PathBuf>,
    /// Rows shown of each table
    #[arg(long, value_name = "N", default_value_t = 12)]
    limit_rows: usize,
    /// Write it as JSON, with every decision
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[group(required = true, multiple = false, id = "source")]
struct Source {
    /// Judged answers to choose the threshold from: JSON lines {"complexity", "local_ok"}, or a journal's folder
    #[arg(long, value_name = "FILE")]
    outcomes: Option<PathBuf>,
    /// A journal's folder: whether what was said of local answers since then bears the promise out
    #[arg(long, value_name = "JOURNAL")]
    check: Option<PathBuf>,
}

#[derive(Args)]
struct Calibrate {
    #[command(flatten)]
    what: Source,
    /// The largest share of local answers that may not be good enough; else what the configuration promises
    #[arg(long, value_name = "SHARE")]
    max_local_error: Option<f64>,
    /// How sure that has to be; else what the configuration promises, else 0.95
    #[arg(long, value_name = "SHARE")]
    confidence: Option<f64>,
    /// The configuration: its promise, and the encoder that measures texts
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Write the calibration here, for `quality.promise.calibration`
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    output: Option<PathBuf>,
    /// Write it as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Learn {
    /// The configuration whose encoder is used; without one, the built-in encoder
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Labelled texts, .jsonl or .csv: `text`, and `topic`, `complexity` (0 to 1) or `local_ok` (true, false)
    #[arg(long, value_name = "FILE")]
    examples: PathBuf,
    /// The folder to write; name it in the configuration as `topics: {learned: DIR}`
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
    /// Write the scores as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Similar {
    /// The configuration: its encoder and `cache.semantic.similarity_threshold`; without one, the built-in ones
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Write what the score is made of and no verdict, to fit a new head; loads no model
    #[arg(long)]
    features: bool,
}

#[derive(Args)]
struct Models {
    #[command(subcommand)]
    command: ModelsCommand,
}

#[derive(Subcommand)]
enum ModelsCommand {
    /// Lists the models of the manifest
    List(ModelsFolder),
    /// Compares every file with the digest in the manifest; a folder that was pulled has one of its own
    Verify(ModelsFolder),
    /// Fetches a model from a hub, or copies it out of a folder; goes on where it stopped
    Pull(Pull),
    /// Runs the model of a folder once and shows what it says
    Try(Try),
    /// Says what a folder of yours holds that `engine.folder` could name, and what is wrong with it
    Inspect(Inspect),
}

#[derive(Args)]
struct Inspect {
    /// The folder, in one of the hub's layouts
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The graph, where the folder has several, relative to it
    #[arg(long, value_name = "FILE")]
    graph: Option<PathBuf>,
    /// Write it as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Pull {
    /// hf:ORG/REPO, hf:ORG/REPO@REVISION, or a folder
    #[arg(value_name = "SOURCE")]
    source: String,
    /// Which of several graphs: f32, f16, int8, q8, uint8, int4, q4, q4f16 or bnb4
    #[arg(long, value_name = "NAME")]
    variant: Option<String>,
    /// A folder of the repository that holds a model of its own
    #[arg(long, value_name = "DIR")]
    subfolder: Option<String>,
    /// Where to put it; else a folder of its name below $XDG_DATA_HOME/firstline/models
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// The variable that holds a token for the hub; it is sent to HF_ENDPOINT (else `https://huggingface.co`) and nowhere else
    #[arg(long, value_name = "NAME", default_value = "HF_TOKEN")]
    token_env: String,
    /// Write it as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[group(required = true, multiple = false, id = "asked")]
struct Asked {
    /// A text to go on from, or to encode; may be given again
    #[arg(long, value_name = "TEXT")]
    prompt: Vec<String>,
    /// What a person says, written out by the model's chat template; may be given again
    #[arg(long, value_name = "TEXT")]
    message: Vec<String>,
}

#[derive(Args)]
struct Try {
    /// The folder, in one of the hub's layouts
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    asked: Asked,
    /// The graph, where the folder has several, relative to it
    #[arg(long, value_name = "FILE")]
    graph: Option<PathBuf>,
    /// Tokens of an answer at most
    #[arg(long, value_name = "N", default_value_t = 64)]
    max_tokens: usize,
    /// Threads that compute
    #[arg(long, value_name = "N", default_value_t = 1)]
    threads: usize,
    /// Write a line of JSON for each text, with ids and logarithms of probabilities
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct ModelsFolder {
    /// The folder that holds manifest.json
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Write it as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command line. The only place that turns an error into words and a number.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; clap prints all three in its own form.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let done = match cli.command {
        Command::Demo(demo) => serve::demo(demo),
        Command::Serve(serve) => serve::serve(serve),
        Command::Check(check) => check::check(&check),
        Command::Schema => check::schema(),
        Command::Explain(explain) => explain::explain(explain),
        Command::Signals(signals) => signals::signals(signals),
        Command::Replay(replay) => replay::replay(&replay),
        Command::Report(asked) => report::report(asked),
        Command::Audit(audit) => audit::audit(audit),
        Command::Calibrate(calibrate) => calibrate::run(&calibrate),
        Command::Learn(learn) => learn::learn(&learn),
        Command::Similar(similar) => similar::similar(&similar),
        Command::Import(asked) => import::import(&asked),
        Command::Keys(asked) => keys::keys(asked),
        Command::Knowledge(asked) => knowledge::knowledge(&asked),
        Command::Models(models) => match models.command {
            ModelsCommand::List(folder) => models::list(&folder),
            ModelsCommand::Verify(folder) => models::verify(&folder),
            ModelsCommand::Inspect(inspect) => models::inspect(&inspect),
            ModelsCommand::Pull(pull) => models::pull(pull),
            ModelsCommand::Try(asked) => models::try_out(asked),
        },
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            show::error(&in_words(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error with its causes, each said once: some errors say their cause in their own sentence.
fn in_words(error: &anyhow::Error) -> String {
    let mut words = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !words.ends_with(&cause) {
            words.push_str(": ");
            words.push_str(&cause);
        }
    }
    words
}
