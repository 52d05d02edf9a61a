use std::sync::atomic::{AtomicUsize, Ordering};

use cloud_foundry::{
    AnswerError, CloudFoundry, CloudFoundryOptions, Credentials, InstanceFilter, LastOperation,
    ListError, Organization, SecretSource, ServiceInstance, Space,
};
use serde_json::json;
use wiremock::matchers::query_param;
use wiremock::{MockServer, Request, ResponseTemplate};

use crate::platform::{
    INSTANCES, OFFERINGS, PLANS, authorizations, get, guids, instance, instance_page, mount_lists,
    mount_offerings, ok, opensearch, options, page, requests, start, with_token,
};

#[tokio::test]
async fn instances_come_with_plan_space_and_organization() {
    let server = start().await;
    mount_lists(&server, &["b", "a"]).await;
    let found = with_token(&server).service_instances(&opensearch()).await;
    let found = found.unwrap();
    let want = |guid: &str| ServiceInstance {
        guid: guid.to_owned(),
        name: format!("name of {guid}"),
        plan_name: "small".to_owned(),
        offering_name: "opensearch".to_owned(),
        space: Space {
            guid: "s-1".to_owned(),
            name: "sandbox".to_owned(),
        },
        organization: Organization {
            guid: "org-1".to_owned(),
            name: Some("tenant-a".to_owned()),
        },
        last_operation: Some(LastOperation {
            kind: "create".to_owned(),
            state: "succeeded".to_owned(),
        }),
    };
    assert_eq!(found.instances, [want("a"), want("b")]);
    let requests = server.received_requests().await.unwrap();
    let asked: Vec<_> = requests.iter().map(|it| it.url.path()).collect();
    assert_eq!(asked, ["/", OFFERINGS, PLANS, INSTANCES]);
    let query: Vec<_> = requests[3].url.query_pairs().into_owned().collect();
    let want = [
        ("type", "managed"),
        ("fields[space]", "guid,name,relationships.organization"),
        ("fields[space.organization]", "guid,name"),
        ("service_plan_guids", "p-1"),
        ("per_page", "5000"),
    ];
    let want = want.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(query, want);
    let agents: Vec<_> = requests
        .iter()
        .map(|it| &it.headers["user-agent"])
        .collect();
    assert!(
        agents
            .iter()
            .all(|agent| agent.to_str().unwrap().starts_with("cloud-foundry/"))
    );
    assert!(!requests[0].headers.contains_key("authorization"));
}

#[tokio::test]
async fn every_page_is_read() {
    let server = start().await;
    mount_offerings(&server).await;
    let next = |page: u32| format!("{}{INSTANCES}?page={page}&per_page=2", server.uri());
    for (number, guid) in [(2, "b"), (3, "c")] {
        let next = (number < 3).then(|| next(number + 1));
        let mut body = instance_page(&[guid], next.as_deref());
        body["pagination"]["total_results"] = json!(3);
        get(INSTANCES)
            .and(query_param("page", number.to_string()))
            .respond_with(ok(body))
            .mount(&server)
            .await;
    }
    let mut first = instance_page(&["a"], Some(&next(2)));
    first["pagination"]["total_results"] = json!(3);
    get(INSTANCES).respond_with(ok(first)).mount(&server).await;
    assert_eq!(guids(&with_token(&server)).await.unwrap(), ["a", "b", "c"]);
    assert_eq!(requests(&server, INSTANCES).await.len(), 3);
}

#[tokio::test]
async fn a_list_that_changes_between_pages_is_read_again() {
    let server = start().await;
    mount_offerings(&server).await;
    // While the first reading is under way "a" goes, so that "c" moves to the page that was read already.
    let readings = AtomicUsize::new(0);
    let next = format!("{}{INSTANCES}?page=2", server.uri());
    let total = |mut body: serde_json::Value, total: u32| {
        body["pagination"]["total_results"] = json!(total);
        ok(body)
    };
    get(INSTANCES)
        .and(query_param("page", "2"))
        .respond_with(total(instance_page(&["d"], None), 3))
        .mount(&server)
        .await;
    get(INSTANCES)
        .respond_with(
            move |_: &Request| match readings.fetch_add(1, Ordering::Relaxed) {
                0 => total(instance_page(&["a", "b"], Some(&next)), 4),
                _ => total(instance_page(&["b", "c"], Some(&next)), 3),
            },
        )
        .mount(&server)
        .await;
    let found = guids(&with_token(&server)).await.unwrap();
    // "a" was there a moment ago; the next listing is without it.
    assert_eq!(found, ["a", "b", "c", "d"]);
    assert_eq!(requests(&server, INSTANCES).await.len(), 4);
}

#[tokio::test]
async fn a_list_that_never_rests_ends() {
    let server = start().await;
    mount_offerings(&server).await;
    let readings = AtomicUsize::new(0);
    let next = format!("{}{INSTANCES}?page=2", server.uri());
    get(INSTANCES)
        .respond_with(move |request: &Request| {
            let total = readings.fetch_add(1, Ordering::Relaxed);
            let first = request.url.query_pairs().all(|(name, _)| name != "page");
            let mut body = instance_page(&["a"], first.then_some(&next));
            body["pagination"]["total_results"] = json!(total);
            ok(body)
        })
        .mount(&server)
        .await;
    assert_eq!(guids(&with_token(&server)).await.unwrap(), ["a"]);
    assert_eq!(requests(&server, INSTANCES).await.len(), 6);
}

#[tokio::test]
async fn the_token_goes_to_no_page_elsewhere() {
    let elsewhere = MockServer::start().await;
    let server = start().await;
    mount_offerings(&server).await;
    let hostile = [
        format!("{}{INSTANCES}?page=2", elsewhere.uri()),
        format!("//{}{INSTANCES}?page=2", elsewhere.address()),
        format!("http://127.0.0.1@{}{INSTANCES}", elsewhere.address()),
        format!("{}/v3/apps?page=2", server.uri()),
        format!("{}{INSTANCES}/../../oauth/token", server.uri()),
        "javascript:alert(1)".to_owned(),
    ];
    for next in hostile {
        let _mounted = get(INSTANCES)
            .respond_with(ok(instance_page(&["a"], Some(&next))))
            .mount_as_scoped(&server)
            .await;
        let error = guids(&with_token(&server)).await.unwrap_err();
        let text = error.to_string();
        assert_eq!(
            text, "the next page of service_instances is elsewhere",
            "{next}"
        );
    }
    assert_eq!(elsewhere.received_requests().await.unwrap().len(), 0);
    let apps = authorizations(&server, "/v3/apps").await;
    assert!(apps.is_empty());
}

#[tokio::test]
async fn a_page_that_leads_back_ends() {
    let server = start().await;
    mount_offerings(&server).await;
    let next = format!("{}{INSTANCES}?page=2", server.uri());
    get(INSTANCES)
        .respond_with(ok(instance_page(&["a"], Some(&next))))
        .mount(&server)
        .await;
    let error = guids(&with_token(&server)).await.unwrap_err();
    assert!(matches!(error, ListError::ForeignPage { .. }), "{error}");
    assert_eq!(requests(&server, INSTANCES).await.len(), 2);
}

#[tokio::test]
async fn pages_are_bounded_in_number_and_bytes() {
    let server = start().await;
    mount_offerings(&server).await;
    let pages = AtomicUsize::new(0);
    let base = format!("{}{INSTANCES}", server.uri());
    get(INSTANCES)
        .respond_with(move |_: &Request| {
            let next = format!("{base}?page={}", pages.fetch_add(1, Ordering::Relaxed));
            ok(instance_page(&["a"], Some(&next)))
        })
        .mount(&server)
        .await;
    let error = guids(&with_token(&server)).await.unwrap_err();
    assert_eq!(error.to_string(), "service_instances exceeds 200 pages");
    assert_eq!(requests(&server, INSTANCES).await.len(), 200);

    let page_size = instance_page(&["a"], Some("x")).to_string().len();
    let bounded = CloudFoundry::new(CloudFoundryOptions {
        list_size_limit: 10 * page_size,
        ..options(&server)
    });
    let session = bounded
        .unwrap()
        .session(Credentials::Token(SecretSource::Inline("t".into())));
    let error = guids(&session).await.unwrap_err();
    assert!(matches!(error, ListError::TooLong { .. }), "{error}");
    assert!(requests(&server, INSTANCES).await.len() < 211);
}

#[tokio::test]
async fn a_page_that_is_too_large_is_refused() {
    let server = start().await;
    mount_offerings(&server).await;
    let mut huge = instance_page(&["a"], None);
    huge["resources"][0]["name"] = json!("a".repeat(100_000));
    get(INSTANCES).respond_with(ok(huge)).mount(&server).await;
    let bounded = CloudFoundry::new(CloudFoundryOptions {
        body_size_limit: 10_000,
        ..options(&server)
    });
    let session = bounded
        .unwrap()
        .session(Credentials::Token(SecretSource::Inline("t".into())));
    let error = guids(&session).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the answer of the cloud foundry api exceeds 10000 bytes"
    );
    assert_eq!(requests(&server, INSTANCES).await.len(), 1);
}

#[tokio::test]
async fn many_plans_make_several_short_requests() {
    let server = start().await;
    let offerings = json!([{"guid": "o-1", "name": "opensearch"}]);
    get(OFFERINGS)
        .respond_with(ok(page(offerings, None)))
        .mount(&server)
        .await;
    let plans: Vec<_> = (0..120)
        .map(|at| {
            json!({
                "guid": format!("{at:08x}-0000-4000-8000-000000000000"),
                "name": "small",
                "relationships": {"service_offering": {"data": {"guid": "o-1"}}},
            })
        })
        .collect();
    get(PLANS)
        .respond_with(ok(page(json!(plans), None)))
        .mount(&server)
        .await;
    get(INSTANCES)
        .respond_with(|request: &Request| {
            let mut plans = request
                .url
                .query_pairs()
                .filter(|(name, _)| name == "service_plan_guids");
            let (_, plans) = plans.next().unwrap();
            let mut body = instance_page(&[], None);
            let instances = plans.split(',').map(|plan| {
                let mut instance = instance(plan);
                instance["relationships"]["service_plan"]["data"]["guid"] = json!(plan);
                instance
            });
            body["resources"] = instances.collect();
            ok(body)
        })
        .mount(&server)
        .await;
    assert_eq!(guids(&with_token(&server)).await.unwrap().len(), 120);
    let requests = requests(&server, INSTANCES).await;
    assert_eq!(requests.len(), 3);
    assert!(requests.iter().all(|it| it.url.as_str().len() < 2500));
}

#[tokio::test]
async fn what_the_filter_names_and_nobody_knows_is_told() {
    let server = start().await;
    mount_lists(&server, &["a"]).await;
    let filter = InstanceFilter {
        service_offerings: vec!["elasticsearch".to_owned(), "opensearch".to_owned()],
        ..InstanceFilter::default()
    };
    let found = with_token(&server)
        .service_instances(&filter)
        .await
        .unwrap();
    assert_eq!(found.unknown_offerings, ["elasticsearch"]);
    assert_eq!(found.instances.len(), 1);
    let asked = &requests(&server, OFFERINGS).await[0];
    assert_eq!(
        asked.url.query(),
        Some("names=elasticsearch%2Copensearch&per_page=5000")
    );
}

#[tokio::test]
async fn nothing_known_lists_nothing() {
    let server = start().await;
    for list in [OFFERINGS, "/v3/organizations"] {
        get(list)
            .respond_with(ok(page(json!([]), None)))
            .mount(&server)
            .await;
    }
    let found = with_token(&server)
        .service_instances(&opensearch())
        .await
        .unwrap();
    assert_eq!(
        (found.instances.len(), found.unknown_offerings),
        (0, vec!["opensearch".to_owned()])
    );

    server.reset().await;
    crate::platform::mount_root(&server).await;
    mount_lists(&server, &["a"]).await;
    get("/v3/organizations")
        .respond_with(ok(page(json!([]), None)))
        .mount(&server)
        .await;
    let filter = InstanceFilter {
        organizations: vec![
            "tenant, a".to_owned(),
            "11111111-0000-4000-8000-000000000000".to_owned(),
        ],
        ..opensearch()
    };
    let found = with_token(&server)
        .service_instances(&filter)
        .await
        .unwrap();
    assert_eq!(
        (found.instances.len(), found.unknown_organizations),
        (0, filter.organizations)
    );
    // Without organizations in the query everybody's instances would be listed.
    assert_eq!(requests(&server, INSTANCES).await.len(), 0);
    let asked = requests(&server, "/v3/organizations").await;
    let asked: Vec<_> = asked
        .iter()
        .filter_map(|it| {
            it.url
                .query_pairs()
                .next()
                .map(|(name, value)| format!("{name}={value}"))
        })
        .collect();
    assert_eq!(
        asked,
        [
            "guids=11111111-0000-4000-8000-000000000000",
            "names=tenant%2C a"
        ]
    );
}

#[tokio::test]
async fn an_organization_may_be_known_by_its_guid_alone() {
    for organizations in [json!([]), json!([{"guid": "org-1"}])] {
        let server = start().await;
        mount_offerings(&server).await;
        let mut body = instance_page(&["a"], None);
        body["included"]["organizations"] = organizations;
        get(INSTANCES).respond_with(ok(body)).mount(&server).await;
        let session = with_token(&server);
        let found = session.service_instances(&opensearch()).await.unwrap();
        let organization = &found.instances[0].organization;
        assert_eq!((&*organization.guid, &organization.name), ("org-1", &None));
    }
}

#[tokio::test]
async fn instances_of_other_plans_are_left_out() {
    let server = start().await;
    mount_offerings(&server).await;
    let mut body = instance_page(&["a", "b"], None);
    body["resources"][0]["relationships"]["service_plan"]["data"]["guid"] = json!("p-2");
    get(INSTANCES).respond_with(ok(body)).mount(&server).await;
    assert_eq!(guids(&with_token(&server)).await.unwrap(), ["b"]);
}

#[tokio::test]
async fn lists_that_make_no_sense_are_refused() {
    let server = start().await;
    mount_offerings(&server).await;
    let bodies = [
        ("".to_owned(), "not JSON at line 1, column 0"),
        (
            "<html>hunter2</html>".to_owned(),
            "not JSON at line 1, column 1",
        ),
        (
            "[\"hunter2\"]".to_owned(),
            "JSON of another shape at line 1, column 10",
        ),
        (
            "{\"resources\": null}".to_owned(),
            "JSON of another shape at line 1, column 18",
        ),
        (
            {
                let mut page = instance_page(&["a"], None);
                page["included"]["spaces"] = json!([]);
                page.to_string()
            },
            "instance a comes without its space",
        ),
        (
            instance_page(&["a\nhunter2"], None).to_string(),
            "a guid is none",
        ),
        (instance_page(&[""], None).to_string(), "a guid is none"),
        (instance_page(&["../a"], None).to_string(), "a guid is none"),
    ];
    for (body, want) in bodies {
        let _mounted = get(INSTANCES)
            .respond_with(ResponseTemplate::new(200).set_body_string(&body))
            .mount_as_scoped(&server)
            .await;
        let error = guids(&with_token(&server)).await.unwrap_err();
        let nonsense = matches!(error, ListError::Answer(AnswerError::Nonsense { .. }));
        assert!(nonsense, "{body}: {error}");
        let text = error.to_string();
        assert_eq!(
            text,
            format!("the answer of the cloud foundry api makes no sense: {want}"),
            "{body}"
        );
        crate::platform::assert_tells_no_secret(&error);
    }
}
