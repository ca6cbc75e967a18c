//! The option `--secret-file`: where the server's own secret is kept. Passwords in files, too.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;

use super::store::StoreOption;
use crate::id::Random;
use crate::private_file;
use crate::secret::ServerSecret;

/// The file beside a store in one file.
const FILE: &str = "secret";

/// The password that a file holds; line ends after it do not count.
pub(super) fn password_in(path: &Path) -> Result<String> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("the password file {} cannot be read", path.display()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

#[derive(Args)]
#[command(next_help_heading = "The secret")]
pub(super) struct SecretOption {
    /// The file of the server's secret, which links and codes are made from; made if it is not there.
    /// All servers of a store must have the same. Beside a store in a file if not given
    #[arg(long, value_name = "FILE", env = "BONAFIDE_SECRET_FILE")]
    secret_file: Option<PathBuf>,
}

impl SecretOption {
    /// The secret of the file, which is made if need be.
    pub(super) fn read_or_make(
        &self,
        store: &StoreOption,
        to_try_out: bool,
        random: &dyn Random,
    ) -> Result<ServerSecret> {
        self.check(store, to_try_out)?;
        if self.secret_file.is_none() {
            store.folder()?;
        }
        read_or_make(&self.path(store)?, random)
    }

    /// The secret of the file, or where there is none, one that nobody keeps.
    pub(super) fn read_or_invent(&self, store: &StoreOption, random: &dyn Random) -> Result<ServerSecret> {
        self.check(store, false)?;
        let path = self.path(store)?;
        if path.exists() { read(&path) } else { Ok(ServerSecret::new(random)) }
    }

    /// Whether a file is named where one must be. A server to try out shares its store with no other.
    pub(super) fn check(&self, store: &StoreOption, to_try_out: bool) -> Result<()> {
        // A store that is not understood is told by itself.
        if self.secret_file.is_none() && !to_try_out && !store.is_file().unwrap_or(true) {
            bail!(
                "servers that share a database need the same secret: give each the same file by --secret-file; the first makes it"
            );
        }
        Ok(())
    }

    /// Whether the file is the one beside the store, and none was named.
    pub(super) fn is_beside_store(&self) -> bool {
        self.secret_file.is_none()
    }

    /// The file.
    pub(super) fn path(&self, store: &StoreOption) -> Result<PathBuf> {
        match &self.secret_file {
            Some(path) => Ok(path.clone()),
            None => Ok(store.beside()?.join(FILE)),
        }
    }
}

fn read_or_make(path: &Path, random: &dyn Random) -> Result<ServerSecret> {
    if !path.exists() {
        // Another server may be first: then its secret counts.
        private_file::create(path, &format!("{}\n", *ServerSecret::new(random).reveal()))?;
    }
    read(path)
}

/// The secret of this file, which must be there.
pub(super) fn read(path: &Path) -> Result<ServerSecret> {
    let shown = path.display();
    let text = fs::read_to_string(path).with_context(|| format!("the secret in {shown} cannot be read"))?;
    text.trim().parse().with_context(|| {
        format!("{shown} cannot be used; put back the file that was there, or remove it to have another made, with which codes that were handed out do not work and mail that waits is not sent")
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::id::SystemRandom;

    #[test]
    fn a_secret_is_made_once_and_only_its_owner_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let made = read_or_make(&path, &SystemRandom).unwrap();
        assert_eq!(*read_or_make(&path, &SystemRandom).unwrap().reveal(), *made.reveal());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn servers_that_start_at_once_have_the_same_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let secrets: Vec<String> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| read_or_make(&path, &SystemRandom).unwrap().reveal().to_string()))
                .collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert!(secrets.iter().all(|secret| *secret == secrets[0]));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_is_no_secret_is_told_by_name_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, "dear diary").unwrap();
        let told = format!("{:#}", read_or_make(&path, &SystemRandom).unwrap_err());
        assert!(told.contains("secret") && told.contains("64 hexadecimal digits"), "{told}");
        assert!(!told.contains("diary"), "{told}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "dear diary");
    }
}
