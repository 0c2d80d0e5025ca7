//! Why a server could not be examined, in words that name what to do about it.

use std::fmt;

use super::socket::{Doing, Place, Unconnected};

/// Redis cannot be used as it is configured, or as it is. `Display` is one sentence that ends with the remedy, and
/// shows no password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    step: Step,
    place: String,
    why: String,
}

/// What failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Resolve,
    Connect,
    Encrypt,
    /// The greeting, with user and password.
    Greet,
    /// The choice of the database.
    Select,
    /// The question for the master.
    Sentinel,
    /// Any question after that.
    Ask,
}

impl Trouble {
    pub(super) fn new(step: Step, place: &Place, why: impl fmt::Display) -> Self {
        Self { step, place: place.to_string(), why: why.to_string() }
    }

    pub(super) fn unconnected(place: &Place, failure: &Unconnected) -> Self {
        let step = match failure.doing {
            Doing::Resolving => Step::Resolve,
            Doing::Connecting => Step::Connect,
            Doing::Encrypting => Step::Encrypt,
        };
        Self::new(step, place, &failure.error)
    }

    /// What to do about it.
    fn remedy(&self) -> &'static str {
        let says = |part: &str| self.why.contains(part);
        match self.step {
            Step::Resolve => "correct the host name in redis.url, or see that this machine can resolve it",
            Step::Connect if says("refused") => "nothing listens there: start Redis, or correct redis.url",
            Step::Connect if says("No such file") => {
                "there is no such socket: start Redis with `unixsocket`, or correct the path in redis.url"
            }
            Step::Connect if says("Permission") => {
                "this user may not use the socket: see `unixsocketperm` of the server's configuration"
            }
            Step::Connect => "see that the address in redis.url is right and no firewall stands between",
            Step::Encrypt if says("UnknownIssuer") => {
                "its certificate is signed by an authority that is not known here: name it in redis.tls.ca_file"
            }
            Step::Encrypt if says("NotValidForName") || says("not valid for name") => {
                "its certificate is for another name: set redis.tls.server_name to one that it carries"
            }
            Step::Encrypt if says("Expired") || says("expired") => "its certificate has expired: renew it",
            Step::Encrypt
                if says("no answer in time")
                    || says("InvalidContentType")
                    || says("corrupt")
                    || says("eof")
                    || says("closed") =>
            {
                "it does not speak TLS on this port: begin redis.url with redis://, or name its TLS port"
            }
            Step::Encrypt => "see redis.tls",
            _ if says("CertificateRequired") || says("HandshakeFailure") => {
                "it wants a certificate of its clients: set redis.tls.cert_file and key_file"
            }
            Step::Sentinel if says("NOAUTH") => "the sentinels want a password, which larder cannot give them",
            Step::Sentinel => "no sentinel knows a master of this name: correct ?master= in redis.url",
            _ if says("WRONGPASS") || says("invalid password") => {
                "correct the user and the password in redis.url or REDIS_PASSWORD; percent-encode what is not a letter or digit"
            }
            _ if says("without any password") || says("no password is set") => {
                "the server has no password: take it out of redis.url or REDIS_PASSWORD"
            }
            _ if says("NOAUTH") => "the server wants a password: put it into redis.url or REDIS_PASSWORD",
            _ if says("NOPERM") => "the user lacks a permission that larder needs: see docs/redis.md for the rules",
            _ if says("unknown command") => "the server is too old: use Redis 6.2 or newer, or Valkey",
            Step::Select => "the server has fewer databases: choose one that exists, or raise `databases`",
            Step::Greet if says("closed the connection") || says("reset") => {
                "if the port expects TLS, begin redis.url with rediss://"
            }
            _ if says("LOADING") => "it loads its data: wait",
            _ => "see that a Redis answers there, for instance with `redis-cli PING`",
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let did = match self.step {
            Step::Resolve => "the host cannot be resolved",
            Step::Connect => "no connection",
            Step::Encrypt => "no TLS connection",
            Step::Greet => "the login failed",
            Step::Select => "the database cannot be used",
            Step::Sentinel => "the master was not found",
            Step::Ask => "a question was not answered",
        };
        write!(f, "{}: {did} ({}); {}", self.place, self.why, self.remedy())
    }
}

impl std::error::Error for Trouble {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trouble_names_its_remedy() {
        let place = Place::Tcp(fred::prelude::Server::new("cache.example", 6379));
        for (step, why, remedy) in [
            (Step::Resolve, "failed to lookup address information: Name or service not known", "host name"),
            (Step::Connect, "Connection refused (os error 111)", "start Redis"),
            (Step::Connect, "No such file or directory (os error 2)", "unixsocket"),
            (Step::Connect, "Permission denied (os error 13)", "unixsocketperm"),
            (Step::Connect, "no answer in time", "firewall"),
            (Step::Encrypt, "invalid peer certificate: UnknownIssuer", "ca_file"),
            (Step::Encrypt, "invalid peer certificate: NotValidForName", "server_name"),
            (Step::Encrypt, "invalid peer certificate: Expired", "renew"),
            (Step::Encrypt, "received corrupt message of type InvalidContentType", "redis://"),
            // A plain Redis waits for the end of what it takes for a command.
            (Step::Encrypt, "no answer in time", "redis://"),
            (Step::Greet, "received fatal alert: CertificateRequired", "cert_file"),
            (Step::Greet, "WRONGPASS invalid username-password pair or user is disabled.", "correct the user"),
            (Step::Greet, "ERR AUTH <password> called without any password configured", "no password"),
            (Step::Greet, "NOAUTH HELLO must be called with the client already authenticated", "wants a password"),
            (Step::Greet, "ERR unknown command `HELLO`", "6.2"),
            (Step::Greet, "the server closed the connection", "rediss://"),
            (Step::Select, "ERR DB index is out of range", "databases"),
            (Step::Sentinel, "nothing of the name `mymaster`", "?master="),
            (Step::Ask, "NOPERM this user has no permissions", "docs/redis.md"),
        ] {
            let said = Trouble::new(step, &place, why).to_string();
            assert!(said.contains(remedy) && said.contains("cache.example:6379") && said.contains(why), "{said}");
        }
    }
}
