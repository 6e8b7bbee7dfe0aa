// The fields of a record in groups, each value a filter; and details as a tree.

import type { ComponentChildren, JSX } from 'preact';
import { timeOfNs } from '../record/export.ts';
import { narrowedBy, targetTerm, termOf, type Choice } from '../record/narrow.ts';
import { firstOf, plainText } from '../record/safety.ts';
import { plainMessage, timestampText, type Plain, type TreeNode } from '../record/tree.ts';
import { go, writeRoute } from '../route.ts';
import { Copy, Hash, Section, Strange, useFirst, WholeText } from '../parts/text.tsx';
import { askValues, menuOn } from '../parts/values.tsx';

// A record has room for twenty thousand fields that nobody knows, and for details of six thousand keys.
const fieldsMax = 200;
const entriesMax = 200;
// Details nest some thirty levels deep; from here on they go down without going to the right.
const indentsMax = 8;

const filterFields: Readonly<Record<string, string>> = {
  'event.actor.id': 'actor.id',
  'event.actor.type': 'actor.type',
  'event.actor.name': 'actor.name',
  'event.action': 'action',
  'event.outcome': 'outcome',
  'event.source.service': 'service',
  'event.source.ip': 'ip',
  'event.trace_id': 'trace',
  'event.span_id': 'span',
  'event.request_id': 'request',
  'event.session_id': 'session',
  'event.correlation_id': 'correlation',
  'event.event_id': 'event_id',
  written_by: 'written_by',
  'entry.actor': 'actor.id',
  'entry.action': 'action',
  'entry.event_id': 'event_id',
  assigned_event_id: 'event_id',
  'event.outcome_reason': 'reason',
};

function filterField(path: string): string | undefined {
  const target = /^event\.targets\[\d+\]\.(type|id|name)$/.exec(path);
  return target === null ? filterFields[path] : `target.${target[1]}`;
}

const groups: readonly [string, RegExp][] = [
  ['Who', /^(event\.actor|entry\.actor|written_by$)/],
  [
    'What',
    /^(event\.action|entry\.action|event\.outcome|event\.outcome_reason|event\.event_id|entry\.event_id|assigned_event_id)/,
  ],
  ['To what', /^event\.targets/],
  ['When', /^(received_at|event\.occurred_at|entry\.timestamp)/],
  ['From where', /^event\.source/],
  [
    'Belongs to',
    /^(event\.(trace_id|span_id|parent_span_id|request_id|session_id|correlation_id|producer)|traceparent)/,
  ],
  ['Labels', /^event\.labels/],
];

function leaves(nodes: readonly TreeNode[]): TreeNode[] {
  return nodes.flatMap((node) => {
    const whole =
      node.path === 'event.occurred_at' ||
      /^event\.labels\[/.test(node.path) ||
      /^event\.details_/.test(node.path);
    return node.kind === 'message' && !whole ? leaves(node.children) : [node];
  });
}

// What a query can ask of it; undefined where the language has no field for it.
function choiceOf(node: TreeNode): Choice | undefined {
  const { path, shown } = node;
  if (node.kind === 'unknown' || node.kind === 'hash') return undefined;
  if (/^event\.labels\[/.test(path)) {
    const [key, value] = [1, 2].map(
      (number) => node.children.find((child) => child.number === number)?.shown ?? '',
    );
    const term = termOf(`label.${key}`, value!);
    return { name: 'label', value: `${key} = ${value}`, text: value!, term };
  }
  const field = filterField(path);
  return field === undefined
    ? undefined
    : { name: field, value: shown, term: termOf(field, shown) };
}

// An id of a target is one together with its type.
function targetOf(node: TreeNode, all: readonly TreeNode[]): string | undefined {
  const found = /^(event\.targets\[\d+\])\.id$/.exec(node.path);
  if (found === null) return undefined;
  const type = all.find((other) => other.path === `${found[1]}.type`)?.shown ?? '';
  return targetTerm({ type, id: node.shown, name: '' });
}

function FieldValue({ log, node, all }: Valued): JSX.Element {
  if (node.path === 'event.occurred_at')
    return (
      <span>
        {timestampText(node)} <small>by the client's clock</small>
      </span>
    );
  if (node.path === 'received_at')
    return (
      <span>
        {timeOfNs(node.shown)} <small>by the server's clock</small>
      </span>
    );
  if (node.kind === 'hash') return <Hash hex={node.shown} />;
  if (node.kind === 'unknown')
    return (
      <code class="unknown">
        <WholeText text={node.shown} />
      </code>
    );
  const choice = choiceOf(node);
  if (choice === undefined) return <WholeText text={node.shown} />;
  return (
    <Filtering log={log} choice={choice} term={targetOf(node, all) ?? choice.term!}>
      <Strange text={choice.value} charactersMax={2000} />
    </Filtering>
  );
}

interface Valued {
  log: string;
  node: TreeNode;
  all: readonly TreeNode[];
}

/** A value that looks for itself; beside it, what looks for all but it. */
function Filtering({
  log,
  choice,
  term,
  children,
}: {
  log: string;
  choice: Choice;
  term: string;
  children: ComponentChildren;
}): JSX.Element {
  const choose = (wanted: string, exclude: boolean): void =>
    go(writeRoute(log, 'explore', { q: narrowedBy('', wanted, exclude) }));
  return (
    <>
      <button
        type="button"
        class="value"
        title="click: look for it · Alt: without it · right-click: more"
        onClick={(event) => choose(term, event.altKey)}
        {...menuOn(
          () =>
            askValues({
              title: `A value of ${plainText(choice.name)}`,
              choices: [{ ...choice, term }],
              choose,
            }),
          () => choose(term, true),
        )}
      >
        {children}
      </button>{' '}
      <button
        type="button"
        class="quiet"
        aria-label={`Look for all without this ${plainText(choice.name)}`}
        title="look for all without it"
        onClick={() => choose(term, true)}
      >
        without
      </button>
    </>
  );
}

function FieldGroup({
  log,
  title,
  nodes,
}: {
  log: string;
  title: string;
  nodes: readonly TreeNode[];
}): JSX.Element {
  const [shown, more] = useFirst(nodes, fieldsMax);
  return (
    <section class="field-group">
      <h2>{title}</h2>
      <dl>
        {shown.map((node) => (
          <div key={node.path + node.start} class="field-line">
            <dt title={node.path}>
              {node.path.replace(/^(event|entry)\./, '')}
              {node.name === undefined && <small> unknown field</small>}
            </dt>
            <dd>
              <FieldValue log={log} node={node} all={nodes} />
              {node.flaw !== undefined && <small class="bad"> {node.flaw}</small>}{' '}
              <Copy text={node.shown} />
            </dd>
          </div>
        ))}
      </dl>
      {more}
    </section>
  );
}

function FieldGroups({ log, tree }: { log: string; tree: readonly TreeNode[] }): JSX.Element {
  const all = leaves(tree).filter((node) => !/^event\.details_/.test(node.path));
  const taken = new Set<TreeNode>();
  const blocks = groups.map(([title, pattern]) => {
    const found = all.filter((node) => pattern.test(node.path) && !taken.has(node));
    found.forEach((node) => taken.add(node));
    return [title, found] as const;
  });
  const rest = all.filter(
    (node) => !taken.has(node) && node.path !== 'index' && node.path !== 'previous_hash',
  );
  return (
    <div class="fields">
      {[...blocks, ['Other', rest] as const]
        .filter(([, found]) => found.length > 0)
        .map(([title, found]) => (
          <FieldGroup key={title} log={log} title={title} nodes={found} />
        ))}
    </div>
  );
}

// As text, words can be looked for; how much of a word or of how many characters, no query says.
const soughtCharactersMax = 400;

function detailChoice(key: string, value: string): Choice {
  const findable = value.length <= soughtCharactersMax && /[\p{L}\p{N}]/u.test(value);
  return { name: key, value, term: findable ? termOf('text', value) : undefined };
}

function DetailText({ log, name, text }: { log: string; name: string; text: string }): JSX.Element {
  const choice = detailChoice(firstOf(name, 60), text);
  return (
    <>
      {choice.term === undefined ? (
        <WholeText text={text} />
      ) : (
        <Filtering log={log} choice={choice} term={choice.term}>
          <Strange text={text} charactersMax={soughtCharactersMax} />
        </Filtering>
      )}{' '}
      <Copy text={text} />
    </>
  );
}

interface TreeProps {
  log: string;
  /** Of the value in what holds it. */
  name?: string;
  value: Plain;
  depth?: number;
}

function PlainTree({ log, name = 'details', value, depth = 0 }: TreeProps): JSX.Element {
  if (value === null) return <i>null</i>;
  if (typeof value === 'string') return <DetailText log={log} name={name} text={value} />;
  if (typeof value !== 'object')
    return (
      <>
        <span class="number">{String(value)}</span> <Copy text={String(value)} />
      </>
    );
  const entries = Array.isArray(value)
    ? value.map((one, i) => [String(i), one] as const)
    : Object.entries(value);
  if (entries.length === 0) return <i>{Array.isArray(value) ? 'empty list' : 'empty'}</i>;
  return <Branch log={log} entries={entries} depth={depth} />;
}

function Branch({
  log,
  entries,
  depth,
}: {
  log: string;
  entries: readonly (readonly [string, Plain])[];
  depth: number;
}): JSX.Element {
  const [shown, more] = useFirst(entries, entriesMax);
  return (
    <ul class={depth < indentsMax ? 'tree' : 'tree deep'}>
      {shown.map(([key, one]) => (
        <li key={key}>
          {typeof one === 'object' && one !== null ? (
            <details open={entries.length <= 12}>
              <summary>
                <Strange text={key} />
              </summary>
              <PlainTree log={log} name={key} value={one} depth={depth + 1} />
            </details>
          ) : (
            <>
              <span class="key">
                <Strange text={key} />
              </span>{' '}
              <PlainTree log={log} name={key} value={one} />
            </>
          )}
        </li>
      ))}
      {more !== null && <li>{more}</li>}
    </ul>
  );
}

function Details({ log, tree }: { log: string; tree: readonly TreeNode[] }): JSX.Element | null {
  const details = leaves(tree).find(
    (node) => node.path === 'event.details_struct' || node.path === 'event.details_any',
  );
  if (details === undefined) return null;
  return (
    <Section title="Details">
      {details.name === 'details_struct' ? (
        <PlainTree
          log={log}
          value={(plainMessage(tree) as { event: { detailsStruct: Plain } }).event.detailsStruct}
        />
      ) : (
        <dl>
          {details.children.map((child) => (
            <div key={child.path} class="field-line">
              <dt>{child.name ?? child.number}</dt>
              <dd>
                <code class="unknown">
                  <WholeText text={child.shown} />
                </code>
              </dd>
            </div>
          ))}
        </dl>
      )}
    </Section>
  );
}

export function Fields({ log, tree }: { log: string; tree: readonly TreeNode[] }): JSX.Element {
  return (
    <>
      <FieldGroups log={log} tree={tree} />
      <Details log={log} tree={tree} />
    </>
  );
}
