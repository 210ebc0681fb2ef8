//! `parlor demo`: a server with sample conversations, and a sign-in link for each of two users.

use super::{
    CliError, block_on,
    demo_script::DemoScript,
    demo_story::{self, Clock},
    environment, log, print_line,
    serve::{Signals, run_until_signal},
};
use crate::{
    config::{Config, Layers, ListenAddress},
    data_folder::DataFolder,
    environment::Environment,
    handover::Holding,
    http::DemoLinks,
    listener::{BoundAddress, Listener, listen},
    server::{Server, open},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use std::{net::SocketAddr, sync::atomic::Ordering};
use tempfile::TempDir;

pub(super) fn demo(
    listen: Option<String>,
    data: Option<String>,
    web: Option<String>,
    alone: bool,
) -> Result<(), CliError> {
    let folder = match &data {
        Some(_) => None,
        None => Some(tempfile::Builder::new().prefix("parlor-demo-").tempdir().map_err(CliError::new)?),
    };
    let may_move = listen.is_none();
    let config = load_config(listen, data, web, folder.as_ref())?;
    log::start(&config.log)?;
    block_on(async {
        let mut signals = Signals::new()?;
        let server = Box::pin(start(config, may_move, alone)).await?;
        if folder.is_some() {
            print_line("All data is deleted at the end; use --data FOLDER to keep it.");
        }
        print_line("Stop with Ctrl+C.   To run a real server: parlor serve, and parlor user add NAME for each user.");
        run_until_signal(server, &mut signals).await;
        Ok(())
    })
}

fn load_config(
    listen: Option<String>,
    data: Option<String>,
    web: Option<String>,
    folder: Option<&TempDir>,
) -> Result<Config, CliError> {
    let data = match folder {
        Some(folder) => Some(
            folder
                .path()
                .to_str()
                .ok_or_else(|| CliError::new("the path of the temporary folder is not valid UTF-8"))?
                .to_owned(),
        ),
        None => data,
    };
    let durability = folder.map(|_| "relaxed".to_owned());
    let quiet = std::env::var_os("PARLOR_LOG_FILTER").is_none().then(|| "warn".to_owned());
    // In the demo everyone may write to everyone; by default only users who share an item may.
    let who = std::env::var_os("PARLOR_WHO_MAY_WRITE").is_none().then(|| "everyone".to_owned());
    let flags = [
        ("who_may_write", "the demo", who),
        ("listen", "--listen", listen),
        ("data", "--data", data),
        ("web", "--web", web),
        ("store.durability", "the demo", durability),
        ("log.filter", "the demo", quiet),
    ];
    let flags = flags.into_iter().filter_map(|(path, flag, value)| value.map(|value| (path, flag, value))).collect();
    let layers = Layers { file: None, environment: environment(), flags };
    layers.load().map(|(config, _)| config).map_err(CliError::usage)
}

async fn start(config: Config, may_move: bool, alone: bool) -> Result<Server, CliError> {
    let clock = Clock::default();
    let environment = with_clock(&Environment::real(), &clock);
    let folder = DataFolder::lock(&config.data).map_err(CliError::new)?;
    let listeners = bind(&config, may_move).await?;
    let token = URL_SAFE_NO_PAD.encode(environment.random::<18>());
    let app = open(&folder, config, environment, Holding::default()).await.map_err(CliError::new)?;
    let seeded = demo_story::seed(&app, &clock).await.map_err(|problem| {
        CliError::new(format!("the sample data cannot be written: {}", problem.detail.unwrap_or(problem.title)))
    })?;
    let script = alone.then(|| DemoScript::new(&app, &seeded));
    let links = DemoLinks { token: token.clone(), people: seeded.people, items: seeded.items };
    let server = Server::serve(app, folder, listeners, Some(links)).await.map_err(CliError::new)?;
    let port = server.addresses().iter().find_map(|address| match address {
        BoundAddress::Tcp(address) => Some(address.port()),
        BoundAddress::Unix(_) => None,
    });
    let port = port.ok_or_else(|| CliError::usage("the demo needs an address and a port"))?;
    let root = &server.app.config.http.root_path.0;
    let how = if alone {
        "Open Ada's link; a script writes as Ben until you open his"
    } else {
        "Open both links side by side"
    };
    print_line(&format!("Parlor's demo is a lost-and-found office. {how}:\n"));
    for (name, login) in [("Ada", "ada"), ("Ben", "ben")] {
        // Browsers keep the part after the # across redirects.
        let first = seeded.first;
        print_line(&format!(
            "  Open as {name}   http://{login}.localhost:{port}{root}/demo/{login}?{token}#/c/{first}"
        ));
    }
    print_line("");
    if let Some(script) = script {
        // Ends with the server, which closes its connection.
        tokio::spawn(script.run());
    }
    Ok(server)
}

/// Listens on the configured addresses, or on free ports if the user did not ask for those.
async fn bind(config: &Config, may_move: bool) -> Result<Vec<Listener>, CliError> {
    let free = |address: &ListenAddress| match address {
        ListenAddress::Tcp(address) => ListenAddress::Tcp(SocketAddr::new(address.ip(), 0)),
        other => other.clone(),
    };
    match listen(&config.listen, config.listen_mode, None).await {
        Err(_) if may_move => {
            let free: Vec<_> = config.listen.iter().map(free).collect();
            listen(&free, config.listen_mode, None).await
        }
        bound => bound,
    }
    .map_err(CliError::new)
}

/// Returns the real environment, except that the clock shows the sample data's time while that is written. The steady
/// clock shows the same time, so that the past does not look like a clock that was set back.
fn with_clock(real: &Environment, clock: &Clock) -> Environment {
    let (time, chance, clock) = (real.clone(), real.clone(), clock.clone());
    let now = move || match clock.load(Ordering::Relaxed) {
        0 => time.now_ms(),
        written_ms => written_ms,
    };
    let fill = move |bytes: &mut [u8]| {
        for chunk in bytes.chunks_mut(32) {
            chunk.copy_from_slice(&chance.random::<32>()[..chunk.len()]);
        }
    };
    Environment::new(now.clone(), fill).with_steady(now)
}
