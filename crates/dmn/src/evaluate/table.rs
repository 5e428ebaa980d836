//! Decision tables: inputs, rules that match, and what the hit policy makes of their outputs.
//!
//! Boundary: which rules need no test is known to `index`.
//! Read first: `Run::table`.

use std::cmp::Ordering;

use feel::{Context, Dialect, Expression, List, Str, Value};

use crate::evaluate::index::Class;
use crate::evaluate::{Evaluated, Frame, Given, Input, Lookup, Matched, Run};
use crate::kind::{Kind, Misfit};
use crate::model::{HitPolicy, Output, Table};

/// A rule that matched, with its outputs.
struct Hit {
    rule: u32,
    outputs: Vec<Value>,
}

/// The table fails, and why was noted.
struct Failed;

impl Run<'_, '_> {
    /// The result of a table; what is worth knowing goes into `record`.
    pub(super) fn table(
        &mut self,
        table: &Table,
        frame: &Frame,
        record: Option<&mut Evaluated>,
    ) -> Value {
        let (result, inputs, hits) = self.hits(table, frame);
        (self.place.rule, self.place.cell) = (None, None);
        let value = match result {
            Err(Failed) => Value::Null,
            Ok(()) if hits.is_empty() => self.default(table, frame),
            Ok(()) => self.by_policy(table, frame, &hits).unwrap_or(Value::Null),
        };
        if let Some(record) = record {
            let columns = table.columns.iter().zip(inputs);
            record.inputs = columns
                .map(|(column, value)| Input {
                    id: column.id.clone(),
                    label: column.label.clone(),
                    value,
                })
                .collect();
            record.matched = hits.into_iter().map(|hit| matched(table, hit)).collect();
        }
        value
    }

    /// The values of the inputs, and the rules that match, with their outputs.
    fn hits(&mut self, table: &Table, frame: &Frame) -> (Result<(), Failed>, Vec<Value>, Vec<Hit>) {
        let mut inputs = Vec::with_capacity(table.columns.len());
        if self.inputs(table, frame, &mut inputs).is_err() {
            return (Err(Failed), inputs, Vec::new());
        }
        let candidates = match self.shared.lookup {
            Lookup::Indexed => table.index.candidates(&inputs),
            Lookup::EachRule => table.index.all(),
        };
        let mut hits = Vec::new();
        for rule in candidates.rules {
            let holds = self.holds(table, (rule, &candidates.settled), &inputs, frame);
            if self.session.is_stopped() {
                return (Err(Failed), inputs, hits);
            }
            if !holds {
                continue;
            }
            match self.outputs(table, rule, frame) {
                Ok(outputs) => hits.push(Hit { rule, outputs }),
                Err(Failed) => return (Err(Failed), inputs, hits),
            }
            if table.policy == HitPolicy::First {
                break;
            }
        }
        (Ok(()), inputs, hits)
    }

    fn inputs(
        &mut self,
        table: &Table,
        frame: &Frame,
        values: &mut Vec<Value>,
    ) -> Result<(), Failed> {
        for column in &table.columns {
            let value = self.session.evaluate(&column.expression, frame);
            let value = match self.fitted(&column.kind, value) {
                Ok(value) => value,
                Err(Misfit(why)) => {
                    self.place.cell = Some(format!("input `{}`", column.label).into());
                    self.fail(why);
                    return Err(Failed);
                }
            };
            let expected = column.values.as_ref().filter(|_| {
                !value.is_null() && self.shared.graph.dialect == feel::Dialect::Standard
            });
            if let Some(tests) = expected
                && self.session.evaluate_with_input(tests, &value, frame) != Value::Boolean(true)
            {
                self.place.cell = Some(format!("input `{}`", column.label).into());
                self.fail("the value is not among those that the input expects".to_owned());
                return Err(Failed);
            }
            if self.session.is_stopped() {
                self.place.cell = Some(format!("input `{}`", column.label).into());
                self.note_stop();
                return Err(Failed);
            }
            values.push(value);
        }
        Ok(())
    }

    fn fitted(&mut self, kind: &Kind, value: Value) -> Result<Value, Misfit> {
        if kind.is_any() {
            return Ok(value);
        }
        kind.fit(value, &self.shared.graph, self.session)
    }

    /// Whether a rule matches: first the cells that compare with constants, then the others.
    fn holds(
        &mut self,
        table: &Table,
        candidate: (u32, &[bool]),
        inputs: &[Value],
        frame: &Frame,
    ) -> bool {
        let (number, settled) = candidate;
        let Some(rule) = table.rules.get(number as usize) else { return false };
        for wanted in [Class::Constant, Class::Computed] {
            for (column, input) in inputs.iter().enumerate() {
                if table.index.class(column, number) != wanted
                    || (wanted == Class::Constant && settled[column])
                {
                    continue;
                }
                let holds = self.session.evaluate_with_input(&rule.tests[column], input, frame);
                if self.session.is_stopped() {
                    self.place.rule = Some(number + 1);
                    let label = &table.columns[column].label;
                    self.place.cell = Some(format!("input `{label}`").into());
                    self.note_stop();
                    return false;
                }
                if holds != Value::Boolean(true) {
                    return false;
                }
            }
        }
        true
    }

    /// The outputs of a rule, of the types of their columns.
    fn outputs(&mut self, table: &Table, number: u32, frame: &Frame) -> Result<Vec<Value>, Failed> {
        let mut values = Vec::with_capacity(table.outputs.len());
        let Some(rule) = table.rules.get(number as usize) else { return Ok(values) };
        for (position, (output, expression)) in table.outputs.iter().zip(&rule.outputs).enumerate()
        {
            match self.output(output, expression, frame) {
                Ok(value) => values.push(value),
                Err(problem) => {
                    self.place.rule = Some(number + 1);
                    self.place.cell = Some(cell_of(output, position));
                    match problem {
                        Some(Misfit(why)) => self.fail(why),
                        None => self.note_stop(),
                    }
                    return Err(Failed);
                }
            }
        }
        Ok(values)
    }

    fn output(
        &mut self,
        output: &Output,
        expression: &Expression,
        frame: &Frame,
    ) -> Result<Value, Option<Misfit>> {
        let value = self.session.evaluate(expression, frame);
        if self.session.is_stopped() {
            return Err(None);
        }
        self.fitted(&output.kind, value).map_err(Some)
    }

    /// The result if no rule matches. Camunda counts nothing then either, and leaves out outputs
    /// without a default.
    fn default(&mut self, table: &Table, frame: &Frame) -> Value {
        let is_standard = self.shared.graph.dialect == Dialect::Standard;
        if table.outputs.iter().all(|output| output.default.is_none()) {
            return match table.policy {
                HitPolicy::Count if is_standard => Value::from(0),
                _ => Value::Null,
            };
        }
        let mut values = Vec::with_capacity(table.outputs.len());
        for (position, output) in table.outputs.iter().enumerate() {
            let value = match &output.default {
                Some(expression) => self.output(output, expression, frame),
                None if is_standard => Ok(Value::Null),
                None => continue,
            };
            match value {
                Ok(value) => values.push((output.name.clone(), value)),
                Err(problem) => {
                    self.place.cell = Some(cell_of(output, position));
                    match problem {
                        Some(Misfit(why)) => self.fail(format!("the default output: {why}")),
                        None => self.note_stop(),
                    }
                    return Value::Null;
                }
            }
        }
        match values.as_slice() {
            [(_, single)] => single.clone(),
            _ => Value::Context(Context::new(values)),
        }
    }

    fn by_policy(&mut self, table: &Table, frame: &Frame, hits: &[Hit]) -> Option<Value> {
        let all =
            || -> Vec<Value> { hits.iter().map(|hit| result_of(table, &hit.outputs)).collect() };
        let first = hits.first()?;
        match table.policy {
            HitPolicy::Unique if hits.len() > 1 => {
                let rules: Vec<String> =
                    hits.iter().take(10).map(|hit| (hit.rule + 1).to_string()).collect();
                let rules = rules.join(", ");
                self.fail(format!("the hit policy is `UNIQUE`, and the rules {rules} match"));
                None
            }
            HitPolicy::Any => match hits.iter().find(|hit| hit.outputs != first.outputs) {
                None => Some(result_of(table, &first.outputs)),
                Some(other) => {
                    let (one, two) = (first.rule + 1, other.rule + 1);
                    let message = format!(
                        "the hit policy is `ANY`, and the rules {one} and {two} have other outputs"
                    );
                    self.fail(message);
                    None
                }
            },
            HitPolicy::Unique | HitPolicy::First => Some(result_of(table, &first.outputs)),
            HitPolicy::Priority => {
                let ranks = self.ranks(table, frame, hits);
                let best = ranks.into_iter().min_by(compare)?;
                Some(result_of(table, &hits.get(best.1)?.outputs))
            }
            HitPolicy::OutputOrder => {
                let mut ranks = self.ranks(table, frame, hits);
                ranks.sort_by(compare);
                let ordered = ranks.iter().filter_map(|(_, position)| hits.get(*position));
                Some(ordered.map(|hit| result_of(table, &hit.outputs)).collect::<Vec<_>>().into())
            }
            HitPolicy::Collect | HitPolicy::RuleOrder => Some(Value::from(all())),
            HitPolicy::Count => Some(Value::from(i64::try_from(hits.len()).unwrap_or(i64::MAX))),
            HitPolicy::Sum => self.aggregated("sum(list)", all()),
            HitPolicy::Min => self.aggregated("min(list)", all()),
            HitPolicy::Max => self.aggregated("max(list)", all()),
        }
    }

    /// What a function of FEEL makes of the outputs.
    fn aggregated(&mut self, call: &str, outputs: Vec<Value>) -> Option<Value> {
        let call = Expression::compile(call).ok()?;
        let mut frame = Frame::default();
        frame.push("list".into(), Value::List(List::from(outputs)));
        Some(self.session.evaluate(&call, &frame))
    }

    /// For each hit, the positions of its outputs among the values of their columns.
    fn ranks(&mut self, table: &Table, frame: &Frame, hits: &[Hit]) -> Vec<Rank> {
        let mut ranks: Vec<Rank> = (0..hits.len()).map(|position| (Vec::new(), position)).collect();
        for (column, output) in table.outputs.iter().enumerate() {
            let Some(values) = &output.values else { continue };
            let order = self.session.evaluate(values, frame);
            let order = order.as_list().map_or(&[][..], |list| list);
            for (hit, rank) in hits.iter().zip(&mut ranks) {
                let value = hit.outputs.get(column);
                let position = order.iter().position(|known| Some(known) == value);
                rank.0.push(position.unwrap_or(usize::MAX));
            }
        }
        ranks
    }
}

/// Positions in the order of output values, and the position of the hit.
type Rank = (Vec<usize>, usize);

/// By the first output that decides; hits of the same rank stay in the order of the rules.
fn compare(one: &Rank, other: &Rank) -> Ordering {
    one.cmp(other)
}

fn cell_of(output: &Output, position: usize) -> Str {
    match &*output.name {
        "" => format!("output {}", position + 1).into(),
        name => format!("output `{name}`").into(),
    }
}

/// The result of one rule: its only output, or all of them by name.
fn result_of(table: &Table, outputs: &[Value]) -> Value {
    match outputs {
        [single] if table.outputs.len() == 1 => single.clone(),
        several => {
            let names = table.outputs.iter().map(|output| output.name.clone());
            Value::Context(Context::new(names.zip(several.iter().cloned()).collect()))
        }
    }
}

fn matched(table: &Table, hit: Hit) -> Matched {
    let rule = table.rules.get(hit.rule as usize);
    let given = |(output, value): (&Output, Value)| Given {
        id: output.id.clone(),
        name: output.name.clone(),
        label: output.label.clone(),
        value,
    };
    Matched {
        rule: hit.rule + 1,
        id: rule.map(|rule| rule.id.clone()).unwrap_or_else(|| "".into()),
        outputs: table.outputs.iter().zip(hit.outputs).map(given).collect(),
    }
}
