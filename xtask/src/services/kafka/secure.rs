//! The second listener: TLS with a certificate made here, and SASL with one user.

use crate::sys;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The one user, and its password.
pub(crate) const USER: &str = "tidewheel";
pub(crate) const PASSWORD: &str = "tidewheel";
/// Opens the key store; it guards nothing that anybody else could use.
const STORE_PASSWORD: &str = "tidewheel";

/// The certificate that clients must trust, PEM.
pub(crate) fn authority(data: &Path) -> PathBuf {
    data.join("ca.pem")
}

fn key_store(data: &Path) -> PathBuf {
    data.join("broker.p12")
}

/// Makes the brokers' key and certificate, once per data directory. It signs itself, so that what
/// clients trust and what brokers show is one file, and is good for loopback only.
pub(super) fn ensure(data: &Path) -> Result<()> {
    let (store, authority) = (key_store(data), authority(data));
    if authority.is_file() {
        return Ok(());
    }
    // Left by an attempt that did not get to its end.
    if store.exists() {
        std::fs::remove_file(&store)?;
    }
    let mut make = keytool("-genkeypair", &store);
    make.args(["-keyalg", "EC", "-groupname", "secp256r1"]);
    make.args(["-validity", "3650", "-dname", "CN=tidewheel test broker"]);
    make.args(["-ext", "san=dns:localhost,ip:127.0.0.1"]);
    sys::capture(&mut make).context("make the brokers' certificate")?;
    // Another name until it is whole: its presence says that all is.
    let part = data.join("ca.pem.part");
    let mut export = keytool("-exportcert", &store);
    export.arg("-rfc").arg("-file").arg(&part);
    sys::capture(&mut export).context("write the brokers' certificate")?;
    std::fs::rename(&part, &authority).context("name the brokers' certificate")
}

fn keytool(command: &str, store: &Path) -> Command {
    let mut keytool = Command::new("keytool");
    keytool.args([command, "-alias", "broker", "-storetype", "PKCS12"]);
    keytool.args(["-storepass", STORE_PASSWORD, "-keystore"]);
    keytool.arg(store);
    keytool
}

/// What a broker is told about that listener.
pub(super) fn properties(data: &Path) -> String {
    format!(
        "ssl.keystore.type=PKCS12\n\
         ssl.keystore.location={}\n\
         ssl.keystore.password={STORE_PASSWORD}\n\
         ssl.key.password={STORE_PASSWORD}\n\
         sasl.enabled.mechanisms=PLAIN\n\
         listener.name.secure.plain.sasl.jaas.config=\
         org.apache.kafka.common.security.plain.PlainLoginModule required \
         user_{USER}=\"{PASSWORD}\";\n",
        key_store(data).display()
    )
}
