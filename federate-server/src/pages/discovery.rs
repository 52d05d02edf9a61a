//! How discovery is doing: the first part of the page at `/targets`.

use std::collections::{BTreeMap, HashMap};

use prom_model::target::{DiscoveryStatus, NodeStatus, ServiceStatus, Standing};

use super::html::{Escaped, ago, push};

/// More services than these that aren't well are folded up, so that the targets stay in sight.
const UNFOLDED: usize = 20;

/// Services that aren't well, by name; projects may have services of the same name.
pub(super) type Unwell<'a> = HashMap<&'a str, Vec<&'a ServiceStatus>>;

/// Every discovery, and its services: those that aren't well open to the eye, the others folded up.
pub(super) fn render(html: &mut String, discoveries: &[DiscoveryStatus], now_ms: i64) {
    if discoveries.is_empty() {
        return;
    }
    html.push_str(
        "<h2>Discovery</h2>\n<div class=\"scroll\"><table><thead><tr><th>Source</th><th>State</th>\
         <th>Targets</th><th>Last success</th><th>Error</th></tr></thead>\n<tbody>\n",
    );
    for discovery in discoveries {
        let (class, word) = match (&*discovery.last_error, discovery.last_success_ms) {
            ("", None) if discovery.targets == 0 => ("unknown", "pending"),
            ("", None) => ("unknown", "restored"),
            ("", Some(_)) => ("up", "ok"),
            _ => ("down", "failing"),
        };
        let (name, error) = (Escaped(&discovery.name), Escaped(&discovery.last_error));
        let (count, last) = (discovery.targets, ago(discovery.last_success_ms, now_ms));
        push(
            html,
            format_args!(
                "<tr><td>{name}</td><td><span class=\"state {class}\">{word}</span></td><td>{count}</td>\
                 <td>{last}</td><td class=\"error\">{error}</td></tr>\n"
            ),
        );
    }
    html.push_str("</tbody></table></div>\n");
    for discovery in discoveries {
        render_services_of(html, &discovery.name, &discovery.services);
    }
}

/// The services of all discoveries, of which nothing else is said.
pub(super) fn render_services(html: &mut String, discoveries: &[DiscoveryStatus]) {
    let services = discoveries.iter().flat_map(|discovery| &discovery.services);
    let services: Vec<_> = services.cloned().collect();
    render_services_of(html, "Services", &services);
}

fn render_services_of(html: &mut String, name: &str, all: &[ServiceStatus]) {
    let name = Escaped(name);
    let services = all.iter();
    let (well, mut unwell): (Vec<_>, Vec<_>) =
        services.partition(|service| service.standing == Standing::Well);
    unwell.sort_by_key(|service| std::cmp::Reverse(service.standing));
    if !unwell.is_empty() {
        let open = if unwell.len() <= UNFOLDED {
            " open"
        } else {
            ""
        };
        let (count, all) = (unwell.len(), all.len());
        push(
            html,
            format_args!(
                "<details class=\"services\"{open}><summary>{name}: <b>{count}</b> of {all} services not as they should be</summary>\n"
            ),
        );
        render_table(html, &unwell);
    }
    if !well.is_empty() {
        let count = well.len();
        let services = match count {
            1 => "1 service as it should be".to_owned(),
            _ => format!("{count} services as they should be"),
        };
        push(
            html,
            format_args!("<details class=\"services\"><summary>{name}: {services}</summary>\n"),
        );
        render_table(html, &well);
    }
}

/// The rest of a `details` element.
fn render_table(html: &mut String, services: &[&ServiceStatus]) {
    html.push_str(
        "<div class=\"scroll\"><table><thead><tr><th>State</th><th>Service</th><th>Nodes</th><th>Targets</th>\
         <th>Remarks</th></tr></thead>\n<tbody>\n",
    );
    for service in services {
        let (name, targets) = (Escaped(&service.name), service.targets);
        html.push_str("<tr><td>");
        render_state(html, service);
        push(
            html,
            format_args!("</td><td class=\"name\">{name}</td><td>"),
        );
        render_nodes(html, &service.nodes);
        push(html, format_args!("</td><td>{targets}</td><td>"));
        render_remarks(html, service);
        html.push_str("</td></tr>\n");
    }
    html.push_str("</tbody></table></div>\n</details>\n");
}

/// Says of the targets of `service`, where it isn't well, what that may have to do with them.
pub(super) fn explain(html: &mut String, unwell: &Unwell<'_>, service: &str) {
    for service in unwell.get(service).into_iter().flatten() {
        html.push_str("<p class=\"why\">");
        render_state(html, service);
        html.push(' ');
        render_nodes(html, &service.nodes);
        html.push(' ');
        render_remarks(html, service);
        html.push_str("</p>\n");
    }
}

/// What [`explain`] looks into.
pub(super) fn unwell(discoveries: &[DiscoveryStatus]) -> Unwell<'_> {
    let mut unwell = Unwell::new();
    let services = discoveries.iter().flat_map(|discovery| &discovery.services);
    for service in services.filter(|service| service.standing != Standing::Well) {
        unwell.entry(&service.name).or_default().push(service);
    }
    unwell
}

/// The service's own word in the colour of its standing; one that fails may well call itself running.
fn render_state(html: &mut String, service: &ServiceStatus) {
    let state = Escaped(&service.state);
    let (class, word) = match service.standing {
        Standing::Well => ("up", "ok"),
        Standing::Unsettled => ("unknown", "unsettled"),
        Standing::Failing => ("down", "failing"),
    };
    match (service.standing, &*service.state) {
        (_, "") => push(
            html,
            format_args!("<span class=\"state {class}\">{word}</span>"),
        ),
        (Standing::Failing, _) => push(
            html,
            format_args!(
                "<span class=\"state {class}\">{word}</span> <span class=\"label\">{state}</span>"
            ),
        ),
        _ => push(
            html,
            format_args!("<span class=\"state {class}\">{state}</span>"),
        ),
    }
}

/// Nodes that aren't well by name, the others by number.
fn render_nodes(html: &mut String, nodes: &[NodeStatus]) {
    let mut well = BTreeMap::<&str, usize>::new();
    for node in nodes {
        if node.standing == Standing::Well {
            *well.entry(&node.state).or_default() += 1;
            continue;
        }
        let (name, state) = (Escaped(&node.name), Escaped(&node.state));
        push(
            html,
            format_args!("<span class=\"label\">{name}: <b>{state}</b></span> "),
        );
    }
    for (state, count) in well {
        let state = Escaped(state);
        push(
            html,
            format_args!("<span class=\"label\">{count} {state}</span> "),
        );
    }
}

fn render_remarks(html: &mut String, service: &ServiceStatus) {
    let class = match service.standing {
        Standing::Failing => "error",
        _ => "none",
    };
    for (number, remark) in service.remarks.iter().enumerate() {
        let between = if number == 0 { "" } else { "; " };
        let remark = Escaped(remark);
        push(
            html,
            format_args!("{between}<span class=\"{class}\">{remark}</span>"),
        );
    }
}
