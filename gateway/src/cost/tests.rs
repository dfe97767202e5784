//! Costs of recorded calls, summed by hand from the price list, and what holds for all of them.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::catalog::shipped;
use super::*;

fn usage(json: Value) -> Usage {
    serde_json::from_value(json).unwrap()
}

fn cost(provider: &str, model: &str, counts: Value) -> Option<String> {
    of(shipped(provider, model).as_ref(), provider, &usage(counts), None).map(|it| it.total.to_string())
}

#[test]
fn recorded_calls_cost_what_the_price_list_says() {
    let check = |provider: &str, model: &str, counts: Value, expected: &str| {
        assert_eq!(cost(provider, model, counts).as_deref(), Some(expected), "{provider} {model}");
    };
    // (115,886 - 92,160) * 1.25 + 92,160 * 0.125 + 1,720 * 10, per million; reasoning is part of the output.
    let reasoned = json!({
        "prompt_tokens": 115_886, "completion_tokens": 1720, "total_tokens": 117_606,
        "prompt_tokens_details": {"cached_tokens": 92_160}, "completion_tokens_details": {"reasoning_tokens": 1472},
    });
    check("openai", "gpt-5", reasoned.clone(), "0.0583775");
    // Flex: the same at half of each.
    let mut flex = reasoned;
    flex["service_tier"] = "flex".into();
    check("openai", "gpt-5", flex, "0.02918875");
    // 3 * 3 + 1,111 * 0.3 + 414 * 15: a prompt of 1,114, of which all but 3 was read from the cache.
    let cached = json!({
        "prompt_tokens": 1114, "completion_tokens": 414, "total_tokens": 1528,
        "prompt_tokens_details": {"cached_tokens": 1111, "cache_write_tokens": 0}, "service_tier": "standard",
        "cache_creation": {"ephemeral_1h_input_tokens": 0, "ephemeral_5m_input_tokens": 0},
    });
    check("anthropic", "claude-sonnet-4-5", cached, "0.0065523");
    // 4 * 3 + 1,000 * 3.75 + 165 * 6 + 207 * 15: five minutes and an hour have prices of their own.
    let written = json!({
        "prompt_tokens": 1169, "completion_tokens": 207, "total_tokens": 1376,
        "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 1165},
        "cache_creation": {"ephemeral_1h_input_tokens": 165, "ephemeral_5m_input_tokens": 1000},
    });
    check("anthropic", "claude-sonnet-4-5", written, "0.007857");
    // 16,083 * 3 + 165 * 15, and one search for a cent.
    let searched = json!({
        "prompt_tokens": 16_083, "completion_tokens": 165, "total_tokens": 16_248,
        "server_tool_use": {"web_fetch_requests": 0, "web_search_requests": 1},
    });
    check("anthropic", "claude-sonnet-4-5", searched, "0.060724");
    // (345 - 191) * 0.3 + 191 * 0.03 + (80 + 141) * 2.5: thoughts are output.
    let thought = json!({
        "prompt_tokens": 345, "completion_tokens": 221, "total_tokens": 566,
        "prompt_tokens_details": {"cached_tokens": 191}, "completion_tokens_details": {"reasoning_tokens": 141},
    });
    check("gemini", "gemini-2.5-flash", thought, "0.00060443");
    // 51 * 0.28 + 512 * 0.028 + 116 * 0.42, where only the provider's own field tells of the cache.
    let hit = json!({
        "prompt_tokens": 563, "completion_tokens": 116, "total_tokens": 679, "prompt_cache_hit_tokens": 512,
    });
    check("deepseek", "deepseek-reasoner", hit, "0.000077336");
    // 41 * 0.0375 + 25 * 0.15: Cohere bills less than it counts.
    let billed = json!({
        "prompt_tokens": 1441, "completion_tokens": 54, "total_tokens": 1495,
        "billed_units": {"input_tokens": 41, "output_tokens": 25},
    });
    check("cohere", "command-r7b-12-2024", billed, "0.0000052875");
    // OpenRouter tells the cost, which also holds what it paid for a tool.
    let told = json!({"prompt_tokens": 888, "completion_tokens": 74, "total_tokens": 962, "cost": 0.014_547_6});
    check("openrouter", "openai/gpt-4o-mini", told, "0.0145476");
}

#[test]
fn long_prompts_and_tiers_have_rates_of_their_own() {
    let check = |provider: &str, model: &str, prompt: u64, tier: &str, expected: &str| {
        let counts = json!({
            "prompt_tokens": prompt, "completion_tokens": 1000, "total_tokens": prompt + 1000, "service_tier": tier,
            "prompt_tokens_details": {"cached_tokens": 100_000},
        });
        assert_eq!(cost(provider, model, counts).as_deref(), Some(expected), "{model} {prompt} {tier}");
    };
    // 100,000 * 1.25 + 100,000 * 0.125 + 1,000 * 10; one more token makes all of them 2.5, 0.25 and 15.
    check("gemini", "gemini-2.5-pro", 200_000, "standard", "0.1475");
    check("gemini", "gemini-2.5-pro", 200_001, "standard", "0.2900025");
    // 100,001 * 1.25 + 100,000 * 0.25 + 1,000 * 7.5
    check("gemini", "gemini-2.5-pro", 200_001, "batch", "0.15750125");
    // Batches on Bedrock halve the plain rates, and so the rate for the cache: 100,000 * 1.65 + 100,000 * 0.165 + 8.25.
    check("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", 200_000, "batch", "0.18975");
    // A tier that the vendor has no price for costs the usual.
    check("anthropic", "claude-sonnet-4-5", 200_000, "priority", "0.345");
}

#[test]
fn counts_that_lie_outside_of_each_other_are_counted_once() {
    let check = |counts: Value, expected: Tokens| assert_eq!(Tokens::of(&usage(counts)), expected);
    // xAI counts its reasoning apart; the total shows it.
    check(
        json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 40,
               "completion_tokens_details": {"reasoning_tokens": 25}}),
        Tokens { input: 10, output: 5, reasoning: 25, ..Tokens::default() },
    );
    check(
        json!({"prompt_tokens": 10, "completion_tokens": 30, "total_tokens": 40,
               "completion_tokens_details": {"reasoning_tokens": 25}}),
        Tokens { input: 10, output: 5, reasoning: 25, ..Tokens::default() },
    );
    check(
        json!({"prompt_tokens": 28, "completion_tokens": 17, "total_tokens": 45,
               "prompt_tokens_details": {"audio_tokens": 1}, "completion_tokens_details": {"audio_tokens": 12}}),
        Tokens { input: 27, audio_input: 1, output: 5, audio_output: 12, ..Tokens::default() },
    );
    // More cached than read at all: what cannot be is cut.
    check(
        json!({"prompt_tokens": 10, "total_tokens": 10, "prompt_tokens_details": {"cached_tokens": 99}}),
        Tokens { cache_read: 10, ..Tokens::default() },
    );
}

#[test]
fn what_nobody_knows_is_no_cost() {
    let counts = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15});
    assert_eq!(cost("openai", "nobody-knows", counts.clone()), None);
    assert_eq!(cost("local", "tiny", counts.clone()), None);
    let mut only_input = Price::default();
    let mut rates = Rates::default();
    rates.set(Rate::Input, Usd::from_picos(1));
    only_input.groups.push(Group { tier: Tier::Standard, above: 0, rates });
    assert_eq!(only_input.cost(&Tokens::of(&usage(counts))), None);
    assert_eq!(only_input.estimate(10, 0), Some(Usd::from_picos(10)));
    assert_eq!(only_input.estimate(u64::MAX, 0), Some(Usd::from_picos(u64::MAX)));
    rates.set(Rate::Input, Usd::from_picos(2));
    only_input.groups[0].rates = rates;
    assert_eq!(only_input.estimate(u64::MAX, 0), None);
}

proptest! {
    #[test]
    fn parts_sum_up_and_each_token_is_counted_once(
        (prompt, completion) in (0_u64..500_000, 0_u64..100_000),
        (cached, written, hour, audio) in (0_u64..600_000, 0_u64..600_000, 0_u64..600_000, 0_u64..600_000),
        (reasoning, spoken) in (0_u64..120_000, 0_u64..120_000),
        tier in prop::sample::select(vec!["standard", "batch", "flex", "priority", "odd"]),
        model in prop::sample::select(vec![
            ("openai", "gpt-5.6"), ("anthropic", "claude-sonnet-4-5"), ("gemini", "gemini-2.5-pro"),
            ("openai", "gpt-audio"),
        ]),
    ) {
        let counts = usage(json!({
            "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
            "prompt_tokens_details": {
                "cached_tokens": cached, "cache_write_tokens": written, "audio_tokens": audio,
            },
            "completion_tokens_details": {"reasoning_tokens": reasoning, "audio_tokens": spoken},
            "cache_creation": {"ephemeral_1h_input_tokens": hour}, "service_tier": tier,
        }));
        let tokens = Tokens::of(&counts);
        prop_assert_eq!(tokens.prompt(), prompt);
        prop_assert_eq!(tokens.completion(), completion);
        let price = shipped(model.0, model.1).unwrap();
        let cost = price.cost(&tokens).unwrap();
        let parts = [cost.input, cost.cache_read, cost.cache_write, cost.output, cost.other];
        prop_assert_eq!(parts.into_iter().sum::<Usd>(), cost.total);
        // Another token never makes a call cheaper.
        let more = Tokens { output: tokens.output + 1, ..tokens };
        prop_assert!(price.cost(&more).unwrap().total > cost.total);
    }

    #[test]
    fn absurd_counts_do_no_harm(prompt: u64, completion: u64, cached: u64, reasoning: u64, total: u64) {
        let counts = usage(json!({
            "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total,
            "prompt_tokens_details": {"cached_tokens": cached},
            "completion_tokens_details": {"reasoning_tokens": reasoning},
        }));
        let _ = of(shipped("openai", "gpt-5").as_ref(), "openai", &counts, None);
    }
}
