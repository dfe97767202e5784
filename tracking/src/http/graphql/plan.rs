//! From a query's text to what is to be done: one operation, its fragments filled in, held against the schema and the
//! limits that keep a small text from asking for a large answer.

use std::collections::{HashMap, HashSet, VecDeque};

use graphql_parser::query::{
    Definition, Directive, Document, Field, FragmentDefinition, OperationDefinition, Selection, SelectionSet,
    TypeCondition,
};
use serde_json::{Map, Value};

use super::{
    input::Variables,
    schema::{MUTATION, Operation, QUERY, RootField},
    types::{FieldType, ObjectType},
};
use crate::tracking::Limits;

/// Levels at most; MLflow's limit.
const DEPTH_MAX: usize = 10;

/// Fields at most in the whole query, fragments filled in; MLflow's limit.
const FIELDS_MAX: usize = 1000;

/// What an operation does: its root fields in order.
pub(super) type Plan = Vec<RootStep>;

/// One root field.
#[derive(Debug)]
pub(super) struct RootStep {
    /// Its key in the answer.
    pub(super) key: String,
    /// What it asks for.
    pub(super) ask: Ask,
}

/// What a root field asks for.
#[derive(Debug)]
pub(super) enum Ask {
    /// The name of the root's own type.
    TypeName(&'static str),
    /// A field of the schema; `input` is none where the argument is missing.
    Field { operation: Operation, input: Option<Map<String, Value>>, selected: Selected },
}

/// What of an object goes into the answer.
#[derive(Debug)]
pub(super) struct Selected {
    /// The object's type.
    pub(super) object: &'static ObjectType,
    /// Its fields.
    pub(super) steps: Vec<Step>,
}

/// One field of an object.
#[derive(Debug)]
pub(super) struct Step {
    /// Its key in the answer.
    pub(super) key: String,
    /// The field; none for `__typename`.
    pub(super) field: Option<&'static FieldType>,
    /// What of the objects in it goes into the answer.
    pub(super) selected: Option<Selected>,
}

/// Plans the operation named `name`, or the only one.
pub(super) fn plan(
    document: &Document<'static, String>,
    name: Option<&str>,
    variables: &Map<String, Value>,
    limits: &Limits,
) -> Result<Plan, String> {
    let operation = choose(document, name)?;
    let (root, root_name, declared, directives, selection_set): (&'static [RootField], _, _, &[_], _) = match operation
    {
        OperationDefinition::SelectionSet(set) => (QUERY, "Query", &[][..], &[], set),
        OperationDefinition::Query(it) => {
            (QUERY, "Query", &it.variable_definitions[..], &it.directives, &it.selection_set)
        }
        OperationDefinition::Mutation(it) => {
            (MUTATION, "Mutation", &it.variable_definitions[..], &it.directives, &it.selection_set)
        }
        OperationDefinition::Subscription(_) => {
            return Err("Schema is not configured to execute subscription operation.".to_owned());
        }
    };
    for directive in directives {
        if directive.name != "component" {
            return Err(unknown_directive(directive));
        }
    }
    let variables = Variables { declared, given: variables };
    variables.check()?;
    let fragments = document.definitions.iter().filter_map(|it| match it {
        Definition::Fragment(fragment) => Some((fragment.name.as_str(), fragment)),
        Definition::Operation(_) => None,
    });
    let mut planner = Planner { fragments: fragments.collect(), variables, limits, fields: 0 };
    planner.root(root, root_name, selection_set)
}

fn choose<'d>(
    document: &'d Document<'static, String>,
    name: Option<&str>,
) -> Result<&'d OperationDefinition<'static, String>, String> {
    let mut operations = document.definitions.iter().filter_map(|it| match it {
        Definition::Operation(operation) => Some(operation),
        Definition::Fragment(_) => None,
    });
    if let Some(name) = name {
        let has_name = |it: &&OperationDefinition<'static, String>| match it {
            OperationDefinition::Query(it) => it.name.as_deref() == Some(name),
            OperationDefinition::Mutation(it) => it.name.as_deref() == Some(name),
            _ => false,
        };
        return operations.find(has_name).ok_or_else(|| format!("Unknown operation named '{name}'."));
    }
    match (operations.next(), operations.next()) {
        (Some(only), None) => Ok(only),
        (Some(_), Some(_)) => Err("Must provide operation name if query contains multiple operations.".to_owned()),
        (None, _) => Err("Must provide an operation.".to_owned()),
    }
}

struct Planner<'d> {
    fragments: HashMap<&'d str, &'d FragmentDefinition<'static, String>>,
    variables: Variables<'d>,
    limits: &'d Limits,
    fields: usize,
}

/// A field of one level under its key, with every selection that was made in it.
struct Collected<'d> {
    key: &'d str,
    field: &'d Field<'static, String>,
    sets: Vec<&'d SelectionSet<'static, String>>,
}

impl<'d> Planner<'d> {
    fn root(
        &mut self,
        root: &'static [RootField],
        root_name: &'static str,
        set: &'d SelectionSet<'static, String>,
    ) -> Result<Plan, String> {
        let collected = self.collect(&[set], root_name, 1)?;
        let mut plan = Vec::with_capacity(collected.len());
        for Collected { key, field, sets } in collected {
            if field.name == "__typename" {
                plan.push(RootStep { key: key.to_owned(), ask: Ask::TypeName(root_name) });
                continue;
            }
            let known = root.iter().find(|it| it.name == field.name).ok_or_else(|| no_field(&field.name, root_name))?;
            let input = self.variables.argument(known.name, &known.argument, &field.arguments)?;
            let selected = self.selected(field, known.answer, &sets, 2)?;
            plan.push(RootStep {
                key: key.to_owned(),
                ask: Ask::Field { operation: known.operation, input, selected },
            });
        }
        Ok(plan)
    }

    fn selected(
        &mut self,
        field: &Field<'static, String>,
        object: &'static ObjectType,
        sets: &[&'d SelectionSet<'static, String>],
        depth: usize,
    ) -> Result<Selected, String> {
        if sets.iter().all(|it| it.items.is_empty()) {
            return Err(format!(
                "Field '{0}' of type '{1}' must have a selection of subfields. Did you mean '{0} {{ ... }}'?",
                field.name, object.name
            ));
        }
        let mut steps = Vec::new();
        for Collected { key, field, sets } in self.collect(sets, object.name, depth)? {
            if let Some((argument, _)) = field.arguments.first() {
                return Err(format!("Unknown argument '{argument}' on field '{}.{}'.", object.name, field.name));
            }
            let key = key.to_owned();
            if field.name == "__typename" {
                steps.push(Step { key, field: None, selected: None });
                continue;
            }
            let known = object.fields.iter().find(|it| it.name == field.name);
            let known = known.ok_or_else(|| no_field(&field.name, object.name))?;
            let selected = match known.kind.object() {
                Some(object) => Some(self.selected(field, object, &sets, depth + 1)?),
                None if sets.iter().any(|it| !it.items.is_empty()) => {
                    return Err(format!(
                        "Field '{}' must not have a selection since type '{}' has no subfields.",
                        field.name,
                        known.kind.name()
                    ));
                }
                None => None,
            };
            steps.push(Step { key, field: Some(known), selected });
        }
        Ok(Selected { object, steps })
    }

    /// The fields of one level, fragments filled in and equal keys merged.
    fn collect(
        &mut self,
        sets: &[&'d SelectionSet<'static, String>],
        object: &str,
        depth: usize,
    ) -> Result<Vec<Collected<'d>>, String> {
        if depth > DEPTH_MAX {
            return Err(format!("Query exceeds maximum depth of {DEPTH_MAX}"));
        }
        let mut collected: Vec<Collected<'d>> = Vec::new();
        let mut aliases = 0;
        let mut visited = HashSet::new();
        let mut queue: VecDeque<&'d Selection<'static, String>> = sets.iter().flat_map(|it| &it.items).collect();
        while let Some(selection) = queue.pop_front() {
            match selection {
                Selection::Field(field) => {
                    if !self.is_included(&field.directives)? {
                        continue;
                    }
                    self.fields += 1;
                    if self.fields > FIELDS_MAX {
                        return Err(format!("Query exceeds maximum total selections of {FIELDS_MAX}"));
                    }
                    aliases += usize::from(field.alias.is_some());
                    merge(&mut collected, field)?;
                }
                Selection::InlineFragment(fragment) => {
                    if self.is_included(&fragment.directives)? {
                        check_condition(fragment.type_condition.as_ref(), object)?;
                        queue.extend(&fragment.selection_set.items);
                    }
                }
                Selection::FragmentSpread(spread) => {
                    let name = spread.fragment_name.as_str();
                    let fragment = self.fragments.get(name).copied();
                    let fragment = fragment.ok_or_else(|| format!("Unknown fragment '{name}'."))?;
                    if self.is_included(&spread.directives)? && visited.insert(name) {
                        check_condition(Some(&fragment.type_condition), object)?;
                        queue.extend(&fragment.selection_set.items);
                    }
                }
            }
        }
        if depth == 1 {
            check_limit(collected.len(), self.limits.graphql_root_fields_max, "root fields", "ROOT_FIELDS")?;
        }
        check_limit(aliases, self.limits.graphql_aliases_max, "aliases", "ALIASES")?;
        Ok(collected)
    }

    fn is_included(&self, directives: &[Directive<'static, String>]) -> Result<bool, String> {
        let mut is_included = true;
        for directive in directives {
            let wanted = match directive.name.as_str() {
                "include" => true,
                "skip" => false,
                _ => return Err(unknown_directive(directive)),
            };
            let condition = directive.arguments.iter().find(|(name, _)| name == "if").map(|(_, value)| value);
            let condition = condition.ok_or_else(|| {
                format!(
                    "Directive '@{}' argument 'if' of type 'Boolean!' is required, but it was not provided.",
                    directive.name
                )
            })?;
            is_included &= self.variables.condition(condition)? == wanted;
        }
        Ok(is_included)
    }
}

/// Adds a field to its level; under a key that is there already it must be the same field.
fn merge<'d>(collected: &mut Vec<Collected<'d>>, field: &'d Field<'static, String>) -> Result<(), String> {
    let key = field.alias.as_deref().unwrap_or(&field.name);
    let Some(there) = collected.iter_mut().find(|it| it.key == key) else {
        collected.push(Collected { key, field, sets: vec![&field.selection_set] });
        return Ok(());
    };
    let conflict = |why: String| {
        Err(format!(
            "Fields '{key}' conflict because {why}. Use different aliases on the fields to fetch both if this was \
             intentional."
        ))
    };
    if there.field.name != field.name {
        return conflict(format!("'{}' and '{}' are different fields", there.field.name, field.name));
    }
    if there.field.arguments != field.arguments {
        return conflict("they have differing arguments".to_owned());
    }
    there.sets.push(&field.selection_set);
    Ok(())
}

fn check_condition(condition: Option<&TypeCondition<'static, String>>, object: &str) -> Result<(), String> {
    match condition {
        Some(TypeCondition::On(name)) if name != object => {
            Err(format!("Fragment cannot be spread here as objects of type '{object}' can never be of type '{name}'."))
        }
        _ => Ok(()),
    }
}

fn check_limit(count: usize, limit: usize, what: &str, variable: &str) -> Result<(), String> {
    if count <= limit {
        return Ok(());
    }
    Err(format!(
        "GraphQL queries should have at most {limit} {what}, got {count} {what}. To increase the limit, set the \
         MLFLOW_SERVER_GRAPHQL_MAX_{variable} environment variable."
    ))
}

fn no_field(field: &str, object: &str) -> String {
    format!("Cannot query field '{field}' on type '{object}'.")
}

fn unknown_directive(directive: &Directive<'static, String>) -> String {
    format!("Unknown directive '@{}'.", directive.name)
}
