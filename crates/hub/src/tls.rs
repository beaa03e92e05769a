//! Why a connection by TLS does not come about, in words that say what to look at.

use rustls::CertificateError as Bad;
use rustls::Error::{InvalidCertificate, InvalidMessage};

/// What is wrong, where it is TLS that fails.
pub(crate) fn what(error: &ureq::Error) -> Option<String> {
    let error = match error {
        ureq::Error::Rustls(error) => error,
        ureq::Error::Io(error) => error.get_ref()?.downcast_ref()?,
        _ => return None,
    };
    Some(match error {
        InvalidCertificate(Bad::Expired | Bad::ExpiredContext { .. }) => {
            "its certificate has expired, or the clock of this machine is wrong".into()
        }
        InvalidCertificate(Bad::NotValidYet | Bad::NotValidYetContext { .. }) => {
            "its certificate is not valid yet: the clock of this machine seems to be wrong".into()
        }
        InvalidCertificate(why) => format!(
            "its certificate is not trusted ({why}): another host answers in its place, or a proxy that reads what passes"
        ),
        InvalidMessage(_) => {
            "what answers there does not speak TLS: http:// may be right for it, or a proxy answers in its place".into()
        }
        error => format!("TLS fails: {error}"),
    })
}
