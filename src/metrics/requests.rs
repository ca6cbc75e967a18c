//! Requests by route, method and status, and how long they took.
//!
//! A route is found by a look into a table that only grows: no lock is taken and nothing is made for a
//! request of a route that was asked for before.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::{Method, StatusCode};

use super::histogram::{DURATIONS, Histogram};
use super::text::Exposition;

/// How many routes there can be; what is beyond is counted as [`UNMATCHED`]. The router
/// has fewer than half as many.
const ROUTES: usize = 256;
/// What the route is called where a path is none of ours.
const UNMATCHED: &str = "unmatched";

/// What methods are called; the last is any other.
const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", OTHER];
/// The statuses that are told by number; beyond them is any other.
const STATUSES: [u16; 25] = [
    200, 201, 202, 204, 206, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405, 408, 409, 412, 413, 415,
    422, 429, 500, 503,
];
/// What any other method or status is called.
const OTHER: &str = "other";

/// All that was answered.
pub(crate) struct Requests {
    routes: Box<[OnceLock<Route>]>,
    unmatched: Route,
}

/// What was answered on one route.
struct Route {
    path: Box<str>,
    /// By method.
    methods: [OnceLock<Answers>; METHODS.len()],
}

/// What was answered on one route to one method.
struct Answers {
    /// By status, and at last those with another.
    statuses: [AtomicU64; STATUSES.len() + 1],
    took: Histogram,
}

impl Default for Requests {
    fn default() -> Self {
        let routes = (0..ROUTES).map(|_| OnceLock::new()).collect();
        Self { routes, unmatched: Route::new(UNMATCHED) }
    }
}

impl Requests {
    /// Counts an answer. `route` is the route as the router has it, never the path that was asked for.
    pub(crate) fn count(&self, route: Option<&str>, method: &Method, status: StatusCode, took: Duration) {
        let route = route.map_or(&self.unmatched, |path| self.route(path));
        let other = METHODS.len() - 1;
        let method = METHODS.iter().position(|known| *known == method.as_str()).unwrap_or(other);
        let answers = route.methods[method].get_or_init(Answers::new);
        let status = STATUSES.iter().position(|known| *known == status).unwrap_or(STATUSES.len());
        answers.statuses[status].fetch_add(1, Ordering::Relaxed);
        answers.took.add_duration(took);
    }

    fn route(&self, path: &str) -> &Route {
        let first = first_place(path);
        let places = self.routes[first..].iter().chain(&self.routes[..first]);
        places
            .map(|place| place.get_or_init(|| Route::new(path)))
            .find(|route| *route.path == *path)
            .unwrap_or(&self.unmatched)
    }

    /// Tells all of it.
    pub(super) fn tell(&self, text: &mut Exposition) {
        let mut routes: Vec<&Route> =
            self.routes.iter().filter_map(OnceLock::get).chain([&self.unmatched]).collect();
        routes.sort_unstable_by_key(|route| &route.path);
        let answered: Vec<(&Route, &str, &Answers)> = routes
            .into_iter()
            .flat_map(|route| {
                let answers = METHODS.into_iter().zip(&route.methods);
                answers.filter_map(move |(method, answers)| Some((route, method, answers.get()?)))
            })
            .collect();
        text.family("http_requests_total", "counter", "Requests that were answered.");
        for (route, method, answers) in &answered {
            let names = STATUSES.iter().map(ToString::to_string).chain([OTHER.to_owned()]);
            for (status, count) in names.zip(&answers.statuses) {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    let labels = [("method", *method), ("route", &*route.path), ("status", status.as_str())];
                    text.sample("http_requests_total", &labels, count);
                }
            }
        }
        let name = "http_request_duration_seconds";
        text.family(name, "histogram", "How long it took until an answer was there to be sent.");
        for (route, method, answers) in &answered {
            answers.took.tell(text, name, &[("method", method), ("route", &route.path)]);
        }
    }
}

/// Where it is looked for a route first: the ends and the lengths of routes tell most of them apart, and
/// the next places are looked at for the others.
fn first_place(path: &str) -> usize {
    let end = path.as_bytes().last_chunk().map_or(0, |end| u64::from_le_bytes(*end));
    let mixed = (end ^ path.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as usize % ROUTES
}

impl Route {
    fn new(path: &str) -> Self {
        Self { path: path.into(), methods: Default::default() }
    }
}

impl Answers {
    fn new() -> Self {
        Self { statuses: Default::default(), took: Histogram::new(DURATIONS) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(requests: &Requests) -> String {
        let mut text = Exposition::default();
        requests.tell(&mut text);
        text.into_text()
    }

    #[test]
    fn answers_are_counted_by_route_method_and_status() {
        let requests = Requests::default();
        let count = |route, method: &Method, status: u16| {
            let status = StatusCode::from_u16(status).unwrap();
            requests.count(route, method, status, Duration::from_millis(2));
        };
        for _ in 0..3 {
            count(Some("/api/users/{user_id}"), &Method::GET, 200);
        }
        count(Some("/api/users/{user_id}"), &Method::GET, 500);
        count(Some("/api/users/{user_id}"), &Method::DELETE, 204);
        count(None, &Method::from_bytes(b"BREW").unwrap(), 418);
        let text = told(&requests);
        for line in [
            "http_requests_total{method=\"GET\",route=\"/api/users/{user_id}\",status=\"200\"} 3\n",
            "http_requests_total{method=\"GET\",route=\"/api/users/{user_id}\",status=\"500\"} 1\n",
            "http_requests_total{method=\"DELETE\",route=\"/api/users/{user_id}\",status=\"204\"} 1\n",
            "http_requests_total{method=\"other\",route=\"unmatched\",status=\"other\"} 1\n",
            "http_request_duration_seconds_count{method=\"GET\",route=\"/api/users/{user_id}\"} 4\n",
        ] {
            assert!(text.contains(line), "{line} {text}");
        }
    }

    #[test]
    fn routes_whose_ends_are_alike_are_told_apart_and_more_than_fit_are_counted_together() {
        let requests = Requests::default();
        for number in 0..ROUTES + 10 {
            for _ in 0..2 {
                let path = format!("/{number:08}/alike");
                requests.count(Some(&path), &Method::GET, StatusCode::OK, Duration::ZERO);
            }
        }
        let text = told(&requests);
        for number in 0..ROUTES {
            assert!(text.contains(&format!("route=\"/{number:08}/alike\",status=\"200\"}} 2\n")), "{number}");
        }
        assert!(text.contains("route=\"unmatched\",status=\"200\"} 20\n"), "{text}");
    }
}
