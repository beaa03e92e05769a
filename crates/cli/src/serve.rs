//! `smolvlm serve`: answers over HTTP.

use crate::error::Error;
use crate::options::ModelArgs;
use crate::output::print_line;
use smolvlm_server::Options;

const EXAMPLES: &str = "\
Examples:
  smolvlm serve                                           nano, at http://127.0.0.1:8080: a page, and OpenAI's API
  smolvlm serve -m smolvlm-256m --port 0                  another model, at a free port; the first line says where
  smolvlm serve --host 0.0.0.0 --api-key-file keys.txt    for others too, who must show a key
  smolvlm serve --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem
  smolvlm serve --unix /run/smolvlm.sock                  behind another server
  smolvlm serve --allow-media-domain images.example.org   pictures may be fetched from there
  smolvlm serve --config serve.toml                       names as these flags have them: port = 9000

  curl http://127.0.0.1:8080/v1/chat/completions -H 'Content-Type: application/json' \\
    -d '{\"messages\": [{\"role\": \"user\", \"content\": \"Hello\"}]}'

An option with [env: …] may also be given by that variable: flags go over it, and it over the file. docs/server.md has the
rest.";

/// Answer over HTTP: an OpenAI-compatible API, and a page to ask by
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    options: Options,
}

/// The command.
pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let name = args.model.model.name()?;
    let told = |address: &str| print_line(&format!("listening on {address}"));
    smolvlm_server::serve(&args.options, name, || args.model.open(), told)
}
