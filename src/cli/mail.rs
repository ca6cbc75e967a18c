//! The options about mail, and `bonafide mail`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, Subcommand, ValueEnum};
use lettre::message::Mailbox;

use super::print;
use super::secret::password_in;
use crate::id::Random;
use crate::mail::{MailUrl, Mailer, SmtpServer, Templates, default_sender, make_folder, sender};
use crate::time::Clock;

/// The folder, beside the store, for the mails of a server for trying out.
const DEV_FOLDER: &str = "dev-mail";

/// How mail is sent. The values of the environment are not shown in the help: they may hold a
/// password.
#[derive(Args)]
#[command(next_help_heading = "Mail")]
pub(super) struct MailOptions {
    /// Where mail goes: `smtp://HOST`, `smtp+starttls://HOST` or `smtps://HOST`, with `USER:PASSWORD@`
    /// before the host and `:PORT` behind it if need be, or `file:FOLDER` for `.eml` files
    #[arg(long, value_name = "URL", env = "BONAFIDE_MAIL", hide_env_values = true)]
    mail: Option<String>,
    /// The sender of mail, like 'Acme <no-reply@acme.example>'; no-reply at the host of the public URL
    /// if not given
    #[arg(long, value_name = "ADDRESS", env = "BONAFIDE_MAIL_FROM", value_parser = sender)]
    mail_from: Option<Mailbox>,
    /// A file with the password of the user in --mail, so that it stands in no command line
    #[arg(long, value_name = "FILE", env = "BONAFIDE_MAIL_PASSWORD_FILE")]
    mail_password_file: Option<PathBuf>,
    /// Certificates, as PEM, to trust for the mail server beside those that the system trusts
    #[arg(long, value_name = "FILE", env = "BONAFIDE_MAIL_CA")]
    mail_ca: Option<PathBuf>,
}

impl MailOptions {
    /// Where mail goes, if anywhere; for a server for trying out, that is a folder beside its store
    /// unless it was said.
    pub(super) fn url(&self, dev_beside: Option<&Path>) -> Result<Option<MailUrl>> {
        let Some(text) = &self.mail else {
            return Ok(dev_beside.map(|folder| MailUrl::Folder(folder.join(DEV_FOLDER))));
        };
        // Not left to clap, which would repeat the text.
        let url = text.parse().map_err(|error| anyhow!("--mail is not understood: {error}"))?;
        Ok(Some(match url {
            MailUrl::Smtp(server) => MailUrl::Smtp(self.completed(server)?),
            folder @ MailUrl::Folder(_) => folder,
        }))
    }

    /// The server with what other options say of it.
    fn completed(&self, server: SmtpServer) -> Result<SmtpServer> {
        let mut server = SmtpServer { trusted: self.mail_ca.clone(), ..server };
        if let Some(path) = &self.mail_password_file {
            let login = server
                .login
                .as_mut()
                .context("--mail-password-file needs a user in --mail, like smtps://USER@HOST")?;
            if login.password.is_some() {
                bail!("--mail has a password, and so has --mail-password-file: only one can count");
            }
            login.password = Some(password_in(path)?);
        }
        if server.login.as_ref().is_some_and(|login| login.password.is_none()) {
            bail!("--mail has a user and no password: name a file with it by --mail-password-file");
        }
        Ok(server)
    }

    /// Whether these options can be used, as far as that is known without asking the mail server.
    pub(super) fn check(&self, public_url: Option<&str>) -> Result<()> {
        match self.url(None)? {
            // The address bound has no name of a host.
            Some(MailUrl::Smtp(_)) => self.sender(public_url.unwrap_or_default()).map(drop),
            _ => Ok(()),
        }
    }

    /// Where mail goes, without the login, if it is understood.
    pub(super) fn shown(&self) -> Option<String> {
        match self.mail.as_ref()?.parse().ok()? {
            MailUrl::Smtp(server) => Some(server.shown()),
            MailUrl::Folder(folder) => Some(format!("file:{}", folder.display())),
        }
    }

    /// The file that holds the password, if one is named.
    pub(super) fn password_file(&self) -> Option<&Path> {
        self.mail_password_file.as_deref()
    }

    /// Who sends mail to a mail server.
    pub(super) fn sender(&self, public_url: &str) -> Result<Mailbox> {
        self.mail_from
            .clone()
            .or_else(|| default_sender(public_url))
            .context("mail needs a sender: give --mail-from, or a --public-url with the name of a host")
    }

    /// What sends mail there.
    pub(super) fn mailer(
        &self,
        url: &MailUrl,
        public_url: &str,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Mailer> {
        match url {
            MailUrl::Smtp(server) => Mailer::smtp(server, self.sender(public_url)?, clock, random),
            MailUrl::Folder(folder) => {
                let nobody = || "no-reply@localhost".parse().expect("it is an address");
                make_folder(folder)?;
                let from = self.sender(public_url).unwrap_or_else(|_| nobody());
                Ok(Mailer::folder(folder.clone(), from, clock, random))
            }
        }
    }
}

/// Which texts mails and pages have.
#[derive(Args)]
#[command(next_help_heading = "Texts")]
pub(super) struct TemplatesOption {
    /// A folder with templates of your own, each in place of the one of the same name
    #[arg(long, value_name = "DIR", env = "BONAFIDE_TEMPLATES")]
    templates: Option<PathBuf>,
}

impl TemplatesOption {
    pub(super) fn load(&self) -> Result<Templates> {
        Templates::load(self.templates.as_deref())
    }
}

#[derive(Subcommand)]
pub(super) enum Command {
    /// Print a mail as it would be sent, with sample values
    Preview {
        /// Which mail
        #[arg(env = "BONAFIDE_MAIL_KIND", default_value = "verify")]
        kind: Kind,
        /// Only the HTML part, for a browser
        #[arg(long, conflicts_with = "text")]
        html: bool,
        /// Only the text part
        #[arg(long)]
        text: bool,
        #[command(flatten)]
        templates: TemplatesOption,
    },
}

/// A kind of mail.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Kind {
    /// The one that asks for a proof of address
    Verify,
    /// The one with a link to reset the password
    Reset,
}

pub(super) fn run(command: &Command) -> Result<()> {
    let Command::Preview { kind, html, text, templates } = command;
    let templates = templates.load()?;
    let sample = match kind {
        Kind::Verify => templates.sample_verify()?,
        Kind::Reset => templates.sample_reset()?,
    };
    print(&if *html {
        format!("{}\n", sample.html())
    } else if *text {
        format!("{}\n", sample.text())
    } else {
        format!(
            "To: {}\nSubject: {}\n\n{}\n\n{}\n",
            sample.to().as_str(),
            sample.subject(),
            sample.text(),
            sample.html()
        )
    })
}
