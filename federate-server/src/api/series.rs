//! Series, their label names and label values.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use prom_model::label::LabelSet;

use super::answer::{ApiError, Labels, array};
use super::params::{Params, decode};
use super::source::CurrentSeries;
use crate::http::{AppState, Shared, Turns};
use crate::selector::Selector;
use crate::tenant::Scope;

/// `/api/v1/series`
pub(crate) async fn series(
    State(state): State<Shared>,
    Extension(turns): Extension<Turns>,
    scope: Scope,
    request: Request,
) -> Result<Response, ApiError> {
    let params = Params::read(request).await;
    params.strict()?;
    if params.all("match[]").next().is_none() {
        return Err(ApiError::BadData(
            "no match[] parameter provided".to_owned(),
        ));
    }
    let limit = params.limit()?;
    let range = params.range()?;
    let selected = turns.long.run(move || {
        let selectors = params.narrow_selectors();
        let selectors = selectors.map_err(|reason| ApiError::parameter("match[]", reason))?;
        // Where the client itself asks for few, it gets the first ones.
        let most = scope.series_limit();
        let most = most.filter(|most| limit.is_none_or(|limit| limit > *most));
        select(&state, &scope, &selectors, range, most)
    });
    let shown = selected.await??.map(|labels| Labels(Arc::new(labels)));
    Ok(array(shown, limit, turns.long))
}

/// `/api/v1/labels`
pub(crate) async fn labels(
    State(state): State<Shared>,
    Extension(turns): Extension<Turns>,
    scope: Scope,
    request: Request,
) -> Result<Response, ApiError> {
    let params = Params::read(request).await;
    let limit = params.limit()?;
    let range = params.range()?;
    let names = turns.long.run(move || {
        let selectors = params.narrow_selectors().map_err(ApiError::BadData)?;
        let mut names = BTreeSet::<Box<str>>::new();
        for labels in select(&state, &scope, &selectors, range, None)? {
            for (name, _) in labels.iter() {
                if !names.contains(name) {
                    names.insert(name.into());
                }
            }
        }
        Ok::<_, ApiError>(names)
    });
    Ok(array(names.await??.into_iter(), limit, turns.long))
}

/// `/api/v1/label/<name>/values`
pub(crate) async fn label_values(
    State(state): State<Shared>,
    Extension(turns): Extension<Turns>,
    scope: Scope,
    request: Request,
) -> Result<Response, ApiError> {
    let name = label_of(request.uri().path())?;
    let params = Params::read(request).await;
    let limit = params.limit()?;
    let range = params.range()?;
    let values = turns.long.run(move || {
        let selectors = params.narrow_selectors().map_err(ApiError::BadData)?;
        let mut values = BTreeSet::<Box<str>>::new();
        for labels in select(&state, &scope, &selectors, range, None)? {
            if let Some(value) = labels.get(&name)
                && !values.contains(value)
            {
                values.insert(value.into());
            }
        }
        Ok::<_, ApiError>(values)
    });
    Ok(array(values.await??.into_iter(), limit, turns.long))
}

fn select(
    state: &AppState,
    scope: &Scope,
    selectors: &[Selector],
    (start_ms, end_ms): (i64, i64),
    most: Option<usize>,
) -> Result<impl Iterator<Item = LabelSet> + Send + use<>, ApiError> {
    let in_range = move |series: &CurrentSeries| (start_ms..=end_ms).contains(&series.timestamp_ms);
    let now_ms = (state.now_ms)();
    let series = state.series.select(scope, selectors, now_ms, most)?;
    Ok(series.filter(in_range).map(|series| series.labels))
}

/// The label that a path asks for.
fn label_of(path: &str) -> Result<Arc<str>, ApiError> {
    let name = path
        .strip_prefix("/api/v1/label/")
        .and_then(|path| path.strip_suffix("/values"))
        .unwrap_or_default();
    // Unlike in a form, `+` stands for itself in a path.
    let decoded = decode(&name.replace('+', "%2B")).ok();
    let unescaped = decoded.map(|name| unescape(&name).unwrap_or(name));
    match unescaped.filter(|name| !name.is_empty()) {
        Some(name) => Ok(name.into()),
        None => Err(ApiError::BadData(format!("invalid label name: {name:?}"))),
    }
}

/// Undoes `U__…`, by which clients write names that older versions don't take; `None` where `name` isn't such.
fn unescape(name: &str) -> Option<String> {
    let mut rest = name.strip_prefix("U__")?;
    let mut unescaped = String::new();
    while let Some((plain, escape)) = rest.split_once('_') {
        unescaped.push_str(plain);
        rest = if let Some(rest) = escape.strip_prefix('_') {
            unescaped.push('_');
            rest
        } else {
            let (code, rest) = escape.split_once('_')?;
            let hexadecimal = code.len() < 6 && code.bytes().all(|byte| byte.is_ascii_hexdigit());
            let code = hexadecimal.then(|| u32::from_str_radix(code, 16).ok())??;
            unescaped.push(char::from_u32(code)?);
            rest
        };
    }
    unescaped.push_str(rest);
    Some(unescaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unescaped() {
        let f = |path: &str, want: &str| {
            let path = format!("/api/v1/label/{path}/values");
            assert_eq!(label_of(&path).as_deref(), Ok(want), "{path}");
        };
        f("job", "job");
        f("a%2eb", "a.b");
        f("a+b", "a+b");
        f("U__a_2e_b", "a.b");
        f("U__a__b", "a_b");
        f("U___20ac_", "€");
        f("U__a_b", "U__a_b");
        f("U__a_110000_", "U__a_110000_");
        f("U__a_zz_", "U__a_zz_");
        for path in ["a%ff", "", "U__"] {
            assert!(
                label_of(&format!("/api/v1/label/{path}/values")).is_err(),
                "{path}"
            );
        }
    }
}
