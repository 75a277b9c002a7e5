//! TLS on the listener: both versions of HTTP, clients' certificates, and certificates replaced while it runs.

use crate::support::{
    Act, Gateway, StandIn, chat_body, completion, new_folder, repository, run, until,
};
use reqwest::{Certificate, Client, Identity, Version};
use std::fs;
use std::path::Path;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

fn certificate(name: &str) -> Vec<u8> {
    fs::read(repository("tests/certificates").join(name)).unwrap()
}

fn copy(from: &str, folder: &Path, to: &str) {
    fs::write(folder.join(to), certificate(from)).unwrap();
}

/// A gateway with `first`'s certificate, and what else `listen.tls` says.
async fn started(tls: &str) -> (StandIn, Gateway) {
    let far = StandIn::always(Act::Answer(200, "", completion("yes"))).await;
    let folder = new_folder();
    copy("first.pem", &folder, "server.pem");
    copy("first.key", &folder, "server.key");
    copy("ca.pem", &folder, "clients.pem");
    let url = far.base_url();
    let config = format!(
        "\nlisten: {{api: \"127.0.0.1:0\", tls: {{certificate: server.pem, key: server.key{tls}}}}}\nlimits: {{header_timeout: 1s}}\nmodels:\n  - {{name: remote, tier: remote, upstream: {{base_url: \"{url}\", model: m}}}}\n"
    );
    let gateway = Gateway::start_in(folder, &config, |_| {});
    (far, gateway)
}

fn client(identity: Option<&str>) -> reqwest::ClientBuilder {
    // Fails only where one is installed already, and then that one serves.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let authority = Certificate::from_pem(&certificate("ca.pem")).unwrap();
    let builder = Client::builder()
        .no_proxy()
        .tls_certs_only([authority])
        .tls_info(true);
    match identity {
        None => builder,
        Some(name) => {
            let pem = [
                certificate(&format!("{name}.pem")),
                certificate(&format!("{name}.key")),
            ];
            builder.identity(Identity::from_pem(&pem.concat()).unwrap())
        }
    }
}

async fn asked(client: &Client, gateway: &Gateway) -> reqwest::Result<reqwest::Response> {
    let url = format!("https://{}/v1/chat/completions", gateway.api);
    let body = chat_body("auto", "hi").to_string();
    let request = client.post(url).header("content-type", "application/json");
    request
        .body(body)
        .timeout(Duration::from_secs(20))
        .send()
        .await
}

#[tokio::test]
async fn both_versions_of_http_are_spoken_under_tls_and_nothing_in_the_clear() {
    let (_far, gateway) = started("").await;
    for (client, version) in [
        (client(None), Version::HTTP_2),
        (client(None).http1_only(), Version::HTTP_11),
    ] {
        let client = client.build().unwrap();
        let response = asked(&client, &gateway).await.unwrap();
        assert_eq!(
            (response.status().as_u16(), response.version()),
            (200, version)
        );
    }
    let answer = crate::support::raw(&gateway, b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(!answer.starts_with(b"HTTP/"), "an answer in the clear");
    // One who shakes no hands is let go.
    let mut silent = TcpStream::connect(gateway.api).await.unwrap();
    let mut nothing = [0; 16];
    let gone = silent.read(&mut nothing);
    let gone = tokio::time::timeout(Duration::from_secs(15), gone).await;
    assert!(matches!(gone, Ok(Ok(0) | Err(_))), "it waits for ever");
}

#[tokio::test]
async fn with_authorities_of_clients_only_their_clients_are_let_in() {
    let (far, gateway) = started(", client_ca: clients.pem").await;
    let known = client(Some("client")).build().unwrap();
    assert_eq!(asked(&known, &gateway).await.unwrap().status(), 200);
    let before = far.seen().len();
    for stranger in [None, Some("stranger")] {
        let stranger = client(stranger).build().unwrap();
        assert!(asked(&stranger, &gateway).await.is_err());
    }
    assert_eq!(far.seen().len(), before);
}

#[tokio::test]
async fn a_certificate_is_replaced_without_a_restart_and_a_bad_one_is_refused() {
    let (_far, gateway) = started("").await;
    let shown = async || {
        let client = client(None).build().unwrap();
        let response = asked(&client, &gateway).await.unwrap();
        let info = response
            .extensions()
            .get::<reqwest::tls::TlsInfo>()
            .unwrap();
        info.peer_certificate().unwrap().to_vec()
    };
    let first = shown().await;
    fs::write(gateway.folder.join("server.pem"), "no certificate").unwrap();
    until("the refusal", async || {
        gateway.log().contains("reload refused").then_some(())
    })
    .await;
    assert_eq!(shown().await, first);
    copy("second.key", &gateway.folder, "server.key");
    copy("second.pem", &gateway.folder, "server.pem");
    until("the other certificate", async || {
        (shown().await != first).then_some(())
    })
    .await;
}

#[test]
fn what_cannot_be_used_is_told_at_the_start() {
    let folder = new_folder();
    copy("first.pem", &folder, "server.pem");
    copy("second.key", &folder, "server.key");
    let text = "version: 1\nname: t\nlisten: {api: \"127.0.0.1:0\", tls: {certificate: server.pem, key: server.key}}\nmodels: [{name: d, tier: local, knowledge: []}]\n";
    fs::write(folder.join("firstline.yaml"), text).unwrap();
    let serve = ["serve", "--config", "firstline.yaml"];
    run(&folder, &serve)
        .ended(1)
        .says(&["listen.tls", "cannot be used"]);
    fs::remove_file(folder.join("server.key")).unwrap();
    run(&folder, &serve)
        .ended(1)
        .says(&["listen.tls", "server.key"]);
}
