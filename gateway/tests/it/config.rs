//! What is wrong with a configuration is told with file, line, key, value and remedy.

use gateway::{Gateway, Kind, Parts};

use crate::support::load;

const GOOD: &str = "
endpoints:
  - name: chat
    endpoint_type: llm/v1/chat
    model:
      provider: openai
      name: gpt-test
      config:
        openai_api_key: $KEY
    limit:
      calls: 10
      renewal_period: minute
  - name: other
    endpoint_type: llm/v1/chat
    model: {provider: ollama, name: llama}
routes:
  - name: split
    task_type: llm/v1/chat
    destinations:
      - name: chat
        traffic_percentage: 60
      - name: other
        traffic_percentage: 40
";

#[test]
fn a_good_file_loads() {
    let gateway = Gateway::start(load(GOOD).unwrap(), Parts::default()).unwrap();
    let chat = gateway.endpoints().next().unwrap();
    assert_eq!((chat.name.as_str(), chat.kind, chat.provider.as_str()), ("chat", Kind::Chat, "openai"));
    assert_eq!(chat.limit.as_ref().map(|it| (it.calls, it.renewal_period.as_str())), Some((10, "minute")));
    let split = gateway.routes().next().unwrap();
    assert_eq!(split.destinations, [("chat".to_owned(), 60), ("other".to_owned(), 40)]);
}

/// Changes one place of the good file and expects these words.
fn check(from: &str, to: &str, words: &str) {
    assert!(GOOD.contains(from), "{from}");
    let error = load(&GOOD.replacen(from, to, 1)).unwrap_err().to_string();
    assert!(error.contains(words), "for {to:?}:\n{error}\ndoes not contain\n{words}");
    assert!(!error.contains("sk-secret"), "{error}");
}

#[test]
fn mistakes_are_named() {
    check(
        "provider: openai",
        "provider: opnai",
        "gateway.yaml:6: `endpoints[0].model.provider`: unknown provider `opnai` (did you mean `openai`?); offered are openai, azure, anthropic, ",
    );
    check("provider: openai", "provider: palm", "provider `palm` was shut down by Google; name `gemini`; offered are");
    check(
        "$KEY",
        "$NO_SUCH",
        "gateway.yaml:9: `endpoints[0].model.config.openai_api_key`: endpoint `chat` takes this from the environment variable NO_SUCH, which is not set; run `export NO_SUCH=…` first",
    );
    check("$KEY", "$EMPTY", "environment variable EMPTY, which is not set");
    check(
        "openai_api_key: $KEY",
        "openai_api_kee: $KEY",
        "gateway.yaml:9: `endpoints[0].model.config.openai_api_kee`: unknown key `openai_api_kee`; did you mean `openai_api_key`?",
    );
    check(
        "openai_api_key: $KEY",
        "openai_api_key: $KEY\n        openai_api_bse: http://x/v1",
        "unknown key `openai_api_bse`; did you mean `openai_api_base`?",
    );
    check("openai_api_key: $KEY", "openai_api_key: $KEY\n        api_key: b", "is given twice");
    check("openai_api_key: $KEY", "openai_api_key: 12345", "must be text: a key, `$NAME` of a variable");
    check(
        "openai_api_key: $KEY",
        "openai_api_key: $KEY\n        api_base: ftp://x",
        "`ftp://x` is no address of an HTTP server",
    );
    check(
        "openai_api_key: $KEY",
        "openai_api_key: $KEY\n        api_base: http://u:p@x/",
        "must be an address without user",
    );
    check(
        "llm/v1/chat",
        "llm/v1/chats",
        "gateway.yaml:4: `endpoints[0].endpoint_type`: `llm/v1/chats` is no endpoint type (did you mean `llm/v1/chat`?)",
    );
    check("endpoint_type", "route_type", "write `endpoint_type`");
    check("endpoint_type", "endpoint_typ", "unknown key `endpoint_typ`; did you mean `endpoint_type`?");
    check(
        "    limit:",
        "    limits:",
        "gateway.yaml:10: `endpoints[0].limits`: unknown key `limits`; did you mean `limit`?",
    );
    check(
        "calls: 10",
        "calls: none",
        "gateway.yaml:11: `endpoints[0].limit.calls`: must be a whole number of at least 1, but is `none`",
    );
    check("calls: 10", "calls: 0", "but is `0`");
    check("renewal_period: minute", "renewal_period: fortnight", "`fortnight` is no period; write second, minute");
    check("name: chat", "name: my chat", "`my chat` cannot stand in an address");
    check("name: chat", "name: ..", "means a folder");
    check("name: chat", "name: 42", "must be text, but is `42`; put it into quotes");
    check("name: other", "name: chat", "`chat` is already the name of the endpoint or route in line 3");
    check("name: split", "name: other", "`other` is already the name of the endpoint or route in line 13");
    check(
        "traffic_percentage: 60",
        "traffic_percentage: 50",
        "the traffic percentages of route `split` sum to 90; change them",
    );
    check("traffic_percentage: 60", "traffic_percentage: 160", "must be a percentage from 0 to 100, but is `160`");
    check("      - name: other", "      - name: othr", "`othr` is no endpoint of this file (did you mean `other`?)");
    check("      - name: other", "      - name: chat", "`chat` is named twice");
    check(
        "task_type: llm/v1/chat",
        "task_type: llm/v1/embeddings",
        "endpoint `chat` is of type llm/v1/chat, but the route `split` splits calls of type llm/v1/embeddings",
    );
    check(
        "task_type: llm/v1/chat",
        "task_type: llm/v1/chat\n    routing_strategy: BEST",
        "`BEST` is no strategy known here; the strategies are TRAFFIC_SPLIT, LEAST_LATENCY, STICKY",
    );
    check("endpoints:", "endpoint:", "unknown key `endpoint`; did you mean `endpoints`?");
    check(
        "      config:\n        openai_api_key: $KEY\n",
        "",
        "provider `openai` of endpoint `chat` needs `openai_api_key`; write `openai_api_key: $OPENAI_API_KEY`",
    );
    check("endpoints:", "endpoints: {", "is not valid YAML");
    check(
        "    model:\n",
        "    model: gpt\n    x_:\n",
        "`endpoints[0].model`: must be a table of keys and values, but is `gpt`",
    );
}

#[test]
fn mistakes_in_what_happens_without_an_answer_are_named() {
    let keys = |keys: &str, words: &str| check("    limit:", &format!("    {keys}\n    limit:"), words);
    keys("retries: {}", "the key `max` is missing; write `max: 2`");
    keys("retries: {max: 11}", "`endpoints[0].retries.max`: must be at most 10, but is `11`");
    keys("retries: {max: 1, on: [server_eror]}", "`server_eror` is no kind of failure (did you mean `server_error`?)");
    keys("retries: {max: 1, on: []}", "is empty; name at least one kind of failure");
    keys("retries: {max: 1, base_ms: 0}", "must be a whole number of at least 1, but is `0`");
    keys("fallbacks: [{name: othr}]", "`endpoints[0].fallbacks[0].name`: `othr` is no endpoint or route of this file");
    keys("fallbacks: [{name: chat}]", "`chat` would fall back to itself; `retries` asks the same endpoint again");
    keys("hedge: {}", "does not say when");
    keys("concurrency: {max: 0}", "must be a whole number of at least 1, but is `0`");
    keys("breaker: {failures: few}", "must be a whole number of at least 1, but is `few`");
    let route = |keys: &str, words: &str| {
        check("task_type: llm/v1/chat", &format!("task_type: llm/v1/chat\n    {keys}"), words);
    };
    route("sticky_by: [user]", "only `routing_strategy: STICKY` uses it");
    route("routing_strategy: STICKY\n    sticky_by: [moon]", "`moon` is nothing by which calls belong together");
}

#[test]
fn whole_files_that_are_wrong() {
    let words = |yaml: &str| load(yaml).unwrap_err().to_string();
    assert!(words("").contains("must hold a table with the key `endpoints`"));
    assert!(words("- a\n").contains("must hold a table with the key `endpoints`"));
    assert!(words("endpoints: 5\n").contains("`endpoints`: must be a list, but is `5`"));
    let twice = words("endpoints: []\nendpoints: []\n");
    assert!(
        twice.contains("gateway.yaml:2: the gateway configuration is not valid YAML: ") && twice.contains("duplicate"),
        "{twice}"
    );
    let error = gateway::Config::load(std::path::Path::new("/no/such.yaml")).unwrap_err().to_string();
    assert!(error.starts_with("cannot read the gateway configuration /no/such.yaml: "), "{error}");
}

#[test]
fn keys_come_from_files_and_strangers_are_only_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, "sk-from-file\n").unwrap();
    load(&GOOD.replace("$KEY", file.to_str().unwrap())).unwrap();
    std::fs::write(&file, "\n").unwrap();
    let error = load(&GOOD.replace("$KEY", file.to_str().unwrap())).unwrap_err().to_string();
    assert!(error.contains("which is empty; put the key into it"), "{error}");
    load(&GOOD.replace("    limit:", "    x-owner: me\n    limit:")).unwrap();
}

#[test]
fn azure_needs_its_three_settings() {
    let yaml = GOOD.replace("openai_api_key: $KEY", "openai_api_key: $KEY\n        openai_api_type: azure\n        openai_api_base: https://r.openai.azure.com\n        openai_api_version: v1");
    let words = |yaml: &str| Gateway::start(load(yaml).unwrap(), Parts::default()).err().map(|it| it.to_string());
    assert!(words(&yaml).unwrap().contains("Azure needs `openai_deployment_name`"));
    assert_eq!(
        words(&yaml.replace("openai_api_version: v1", "openai_api_version: v1\n        openai_deployment_name: d")),
        None
    );
    let wrong = yaml.replace("openai_api_type: azure", "openai_api_type: blue");
    assert!(words(&wrong).unwrap().contains("`openai_api_type` is `blue`; it must be"));
}
