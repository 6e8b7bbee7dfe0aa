// What breaks while it is drawn takes its own part of the page away and no more: the seal and the alarm stand outside of it.

import { Component, createElement } from 'preact';
import type { ComponentChildren, JSX } from 'preact';
import { Strange } from './text.tsx';

interface Props {
  /** The element that it is. */
  tag: 'main' | 'aside';
  /** Its children are drawn again once this is another. */
  of: string;
  children: ComponentChildren;
  id?: string;
  class: string;
  tabIndex?: number;
  'aria-label'?: string;
}

interface State {
  broke?: { of: string; message: string };
}

function Broke({ message }: { message: string }): JSX.Element {
  return (
    <div class="page-text" role="alert" data-page="broke">
      <h1>This part of the page broke</h1>
      <p>
        It could not be drawn: <Strange text={message} />. That says nothing about the log.
      </p>
      <p>
        <button type="button" class="primary" onClick={() => location.reload()}>
          reload
        </button>
      </p>
    </div>
  );
}

export class Boundary extends Component<Props, State> {
  override state: State = {};

  override componentDidCatch(error: unknown): void {
    this.setState({ broke: { of: this.props.of, message: String(error) } });
  }

  override render({ tag, of, children, ...attributes }: Props): JSX.Element {
    const { broke } = this.state;
    return createElement(
      tag,
      attributes,
      broke?.of === of ? <Broke message={broke.message} /> : children,
    );
  }
}
