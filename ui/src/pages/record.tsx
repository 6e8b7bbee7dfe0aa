// One record: in a sentence, field by field, byte by byte, and its proof.

import { useCallback, useEffect, useMemo, useState } from 'preact/hooks';
import type { ComponentChildren, JSX } from 'preact';
import { ApiError } from '../api/client.ts';
import type { RecordProof } from '../engine/protocol.ts';
import type { Feed } from '../feed.ts';
import type { Link } from '../link.ts';
import { toBase64 } from '../proof/bytes.ts';
import { timeOfNs } from '../record/export.ts';
import { narrowed } from '../record/query.ts';
import type { Row } from '../record/row.ts';
import { sentenceOf } from '../record/sentence.ts';
import {
  plainMessage,
  recordTree,
  timestampText,
  type Plain,
  type TreeNode,
} from '../record/tree.ts';
import { go, writeRoute } from '../route.ts';
import { Around } from './around.tsx';
import { span, thousands } from '../seal.ts';
import { HexView } from '../parts/hex.tsx';
import { useKeys } from '../parts/hooks.ts';
import { Icon } from '../parts/icons.tsx';
import { Ladder } from '../parts/ladder.tsx';
import { saveText } from '../parts/save.ts';
import { SealShape } from '../parts/seal.tsx';
import {
  clockTime,
  Copy,
  delayText,
  fullTime,
  Hash,
  OutcomeMark,
  Section,
  Strange,
} from '../parts/text.tsx';

interface Props {
  link: Link;
  feed: Feed;
  log: string;
  index: number;
  /** The record hash of the link that led here, if it named one. */
  linkHash: string | undefined;
  back: string;
}

function plural(count: number, word: string): string {
  return `${thousands(count)} ${word}${count === 1 ? '' : 's'}`;
}

function Sentence({ row, holds }: { row: Row; holds: boolean }): JSX.Element {
  const sentence = sentenceOf(row);
  return (
    <p class="sentence">
      {!holds && <span class="bad">Shown, and not in the log: </span>}
      <b>
        <Strange text={sentence.actor} />
      </b>{' '}
      {sentence.literal ? (
        <>
          {row.outcome === 'denied'
            ? 'was denied'
            : row.outcome === 'failure'
              ? 'failed at'
              : 'did'}{' '}
          <b>
            <Strange text={row.action} />
          </b>
        </>
      ) : (
        <b>{sentence.verb}</b>
      )}
      {sentence.targets.length > 0 && (
        <>
          {' '}
          {sentence.literal ? 'on ' : ''}
          {sentence.targets.slice(0, 3).map((target, i) => (
            <>
              {i > 0 && ', '}
              <b>
                <Strange text={target} />
              </b>
            </>
          ))}
          {sentence.targets.length > 3 && ` and ${sentence.targets.length - 3} more`}
        </>
      )}
      {row.outcome === 'success' && !sentence.literal ? '; success' : ''}
      {row.outcome === 'unknown' && '; outcome not said'}; at{' '}
      {fullTime(row.occurredMs ?? row.receivedMs)};{' '}
      {delayText(row.occurredMs, row.receivedMs) || 'at a time not said'} later in the log as record{' '}
      {thousands(row.index)}.
    </p>
  );
}

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

function FieldValue({ log, node }: { log: string; node: TreeNode }): JSX.Element {
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
  if (/^event\.labels\[/.test(node.path)) {
    const [key, value] = [1, 2].map(
      (number) => node.children.find((child) => child.number === number)?.shown ?? '',
    );
    return (
      <Filtering log={log} field={`label.${key}`} value={value!}>
        <Strange text={`${key} = ${value}`} whole />
      </Filtering>
    );
  }
  const field = filterField(node.path);
  const shown =
    node.kind === 'unknown' ? (
      <code class="unknown">{node.shown.slice(0, 400)}</code>
    ) : (
      <Strange text={node.shown} whole />
    );
  return field === undefined ? (
    shown
  ) : (
    <Filtering log={log} field={field} value={node.shown}>
      {shown}
    </Filtering>
  );
}

function Filtering({
  log,
  field,
  value,
  children,
}: {
  log: string;
  field: string;
  value: string;
  children: ComponentChildren;
}): JSX.Element {
  return (
    <button
      type="button"
      class="value"
      title="click: look for it · Alt: without it"
      onClick={(event) =>
        go(writeRoute(log, 'explore', { q: narrowed('', field, value, event.altKey) }))
      }
    >
      {children}
    </button>
  );
}

function Fields({ log, tree }: { log: string; tree: readonly TreeNode[] }): JSX.Element {
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
          <section key={title} class="field-group">
            <h2>{title}</h2>
            <dl>
              {found.map((node) => (
                <div key={node.path + node.start} class="field-line">
                  <dt title={node.path}>
                    {node.path.replace(/^(event|entry)\./, '')}
                    {node.name === undefined && <small> unknown field</small>}
                  </dt>
                  <dd>
                    <FieldValue log={log} node={node} />
                    {node.flaw !== undefined && <small class="bad"> {node.flaw}</small>}{' '}
                    <Copy text={node.shown} />
                  </dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
    </div>
  );
}

function PlainTree({ value }: { value: Plain }): JSX.Element {
  if (value === null) return <i>null</i>;
  if (typeof value === 'string') return <Strange text={value} />;
  if (typeof value !== 'object') return <span class="number">{String(value)}</span>;
  const entries = Array.isArray(value)
    ? value.map((one, i) => [String(i), one] as const)
    : Object.entries(value);
  if (entries.length === 0) return <i>{Array.isArray(value) ? 'empty list' : 'empty'}</i>;
  return (
    <ul class="tree">
      {entries.map(([key, one]) => (
        <li key={key}>
          {typeof one === 'object' && one !== null ? (
            <details open={entries.length <= 12}>
              <summary>
                <Strange text={key} />
              </summary>
              <PlainTree value={one} />
            </details>
          ) : (
            <>
              <span class="key">
                <Strange text={key} />
              </span>{' '}
              <PlainTree value={one} />
            </>
          )}
        </li>
      ))}
    </ul>
  );
}

function Neighbours({ log, row }: { log: string; row: Row }): JSX.Element {
  return (
    <p class="row neighbours">
      {row.index > 0 && (
        <a href={writeRoute(log, 'record', {}, row.index - 1)}>
          ← record {thousands(row.index - 1)}
        </a>
      )}
      <a href={writeRoute(log, 'record', {}, row.index + 1)}>record {thousands(row.index + 1)} →</a>
    </p>
  );
}

function Verdict({ proof, feed }: { proof: RecordProof; feed: Feed }): JSX.Element {
  const good = proof.cosignatures.filter((one) => one.verdict === 'good').length;
  const broken = (feed.trust?.broken.length ?? 0) > 0;
  if (!proof.holds) {
    return (
      <div class="verdict bad" role="alert" data-verdict="bad">
        <SealShape kind="broken" size={22} />
        <p>
          <b>Does not fit.</b> What the server shows as this record is not in the tree that the
          log's key signed. Asked twice, past all caches.
        </p>
      </div>
    );
  }
  return (
    <div class="verdict good" data-verdict="good">
      <SealShape kind={broken ? 'stale' : 'verified'} size={22} />
      <p>
        <b>In the log.</b> These {plural(proof.row.bytes.length, 'byte')} are leaf{' '}
        {thousands(proof.row.index)} of the tree of size {thousands(proof.size)}, by a path of{' '}
        {plural(proof.rungs.length, 'hash').replace('hashs', 'hashes')}, recomputed by this page;
        the root is signed by <code>{proof.signedBy.split('+')[0]}</code>
        {good > 0
          ? ` and cosigned by ${plural(good, 'witness').replace('witnesss', 'witnesses')}`
          : ''}
        .{broken && ' But something else about this log does not fit.'}
      </p>
    </div>
  );
}

function Proof({ proof, log }: { proof: RecordProof; log: string }): JSX.Element {
  const name = `${log}-${proof.row.index}.tlog-proof`;
  const command = `graven receipt verify --key '${proof.signedBy}' ${name}`;
  return (
    <>
      <Ladder key={proof.row.hash + proof.root} proof={proof} />
      <pre class="note" tabIndex={0} aria-label="The signed checkpoint">
        {proof.note}
      </pre>
      {proof.cosignatures.map((one) => (
        <p key={one.name + one.id} class={one.verdict === 'bad' ? 'bad' : 'fine'}>
          witness {one.name}: {one.verdict}, {span(Date.now() - one.time * 1000)} ago
        </p>
      ))}
      <p class="row no-print">
        <button type="button" class="primary" onClick={() => saveText(name, proof.receipt)}>
          download receipt
        </button>
        <Copy text={command} label="copy the command that verifies it" />
        <button type="button" onClick={() => window.print()}>
          print
        </button>
      </p>
    </>
  );
}

export function RecordPage({ link, feed, log, index, linkHash, back }: Props): JSX.Element {
  const [latest, setProof] = useState<RecordProof>();
  // That of the record before is none of this one.
  const proof = latest?.row.index === index ? latest : undefined;
  const [error, setError] = useState<string>();
  const [tab, setTab] = useState<'fields' | 'around' | 'json' | 'bytes' | 'proof'>('fields');
  const ready = feed.trust?.checkpoint !== undefined;
  const verify = useCallback(() => {
    setError(undefined);
    link.ask<RecordProof>({ call: 'prove', log, index }).then(
      (made) => setProof(made),
      (failed: unknown) => setError(failed instanceof ApiError ? failed.message : String(failed)),
    );
  }, [link, log, index]);
  useEffect(() => {
    if (ready) verify();
  }, [verify, ready]);
  useKeys({
    v: () => {
      setTab('proof');
      verify();
    },
    Escape: () => go(back),
  });

  const held = feed.rows.find((row) => row.index === index);
  const row = proof?.row ?? held;
  const tree = useMemo(() => {
    if (row === undefined) return [];
    try {
      return recordTree(row.bytes);
    } catch {
      return [];
    }
  }, [row?.hash]);
  const details = leaves(tree).find(
    (node) => node.path === 'event.details_struct' || node.path === 'event.details_any',
  );
  const json = useMemo(() => JSON.stringify(plainMessage(tree), null, 2), [tree]);
  const foreign = row !== undefined && linkHash !== undefined && linkHash !== row.hash;
  const permalink =
    row === undefined
      ? ''
      : new URL(writeRoute(log, 'record', { hash: row.hash }, index), location.href).href;
  return (
    <article class="record" aria-label={`Record ${index}`}>
      <header class="record-head">
        <h1>record {thousands(index)}</h1>
        {row !== undefined && <OutcomeMark outcome={row.outcome} />}
        <span class="grow" />
        <Copy
          text={permalink}
          label="copy link"
          title="With the record's hash in it, so that another browser notices a substitution"
        />
        <a class="button quiet" href={back} aria-label="Close (Esc)" title="Esc">
          <Icon name="close" />
        </a>
      </header>
      {foreign && (
        <div class="verdict bad" role="alert" data-verdict="substituted">
          <SealShape kind="broken" size={22} />
          <p>
            <b>Not the record of the link.</b> Whoever made this link saw a record with hash{' '}
            <code>{linkHash.slice(0, 16)}…</code> at this place; here is one with{' '}
            <code>{row.hash.slice(0, 16)}…</code>. If the link is honest, the record was exchanged:
            keep the link.
          </p>
        </div>
      )}
      {error !== undefined && (
        <p class="notice amber" role="alert">
          Not verified: {error}.
        </p>
      )}
      {row === undefined && error === undefined && <p class="fine">Asking for the record.</p>}
      {proof !== undefined && row !== undefined && <Verdict proof={proof} feed={feed} />}
      {proof === undefined && row !== undefined && error === undefined && (
        <div class="verdict">
          <SealShape kind="checking" size={22} />
          <p>Recomputing its way to the signed root.</p>
        </div>
      )}
      {row !== undefined && <Sentence row={row} holds={proof?.holds !== false} />}
      {row !== undefined && (
        <p class="written-by">
          Written by{' '}
          <b>
            <Strange text={row.writtenBy} />
          </b>
          , as the server knew it; the actor is what the writer says.
        </p>
      )}
      {row !== undefined && <Neighbours log={log} row={row} />}
      {row !== undefined && (
        <div class="tabs" role="tablist" aria-label="Views of the record">
          {(['fields', 'proof', 'around', 'json', 'bytes'] as const).map((name) => (
            <button
              key={name}
              type="button"
              role="tab"
              id={`record-${name}`}
              aria-selected={tab === name}
              aria-controls="record-panel"
              onClick={() => setTab(name)}
            >
              {name === 'json' ? 'JSON' : name}
            </button>
          ))}
        </div>
      )}
      {row !== undefined && (
        <div id="record-panel" role="tabpanel" aria-labelledby={`record-${tab}`} tabIndex={0}>
          {tab === 'fields' && <Fields log={log} tree={tree} />}
          {tab === 'fields' && details !== undefined && (
            <Section title="Details">
              {details.name === 'details_struct' ? (
                <PlainTree
                  value={
                    (plainMessage(tree) as { event: { detailsStruct: Plain } }).event.detailsStruct
                  }
                />
              ) : (
                <dl>
                  {details.children.map((child) => (
                    <div key={child.path} class="field-line">
                      <dt>{child.name ?? child.number}</dt>
                      <dd>
                        <code class="unknown">{child.shown}</code>
                      </dd>
                    </div>
                  ))}
                </dl>
              )}
            </Section>
          )}
          {tab === 'around' && <Around link={link} log={log} row={row} />}
          {tab === 'json' && (
            <>
              <p class="row">
                <Copy text={json} label="copy JSON" />
                <span class="fine">for reading; the bytes are the record</span>
              </p>
              <pre class="json" tabIndex={0}>
                {json.split('\n').map((line, i) => (
                  <div key={i}>
                    <Strange text={line} whole />
                  </div>
                ))}
              </pre>
            </>
          )}
          {tab === 'bytes' && (
            <>
              <p class="row">
                <Copy text={toBase64(row.bytes)} label="copy base64" />{' '}
                <Hash hex={row.hash} title="record hash" />
              </p>
              <HexView bytes={row.bytes} tree={tree} />
            </>
          )}
          {tab === 'proof' &&
            (proof === undefined ? (
              <p class="fine">Not verified yet.</p>
            ) : (
              <Proof proof={proof} log={log} />
            ))}
        </div>
      )}
      {row !== undefined && (
        <p class="fine record-time">
          Received {timeOfNs(row.receivedNs)} ({clockTime(row.receivedMs)} here).
        </p>
      )}
    </article>
  );
}
