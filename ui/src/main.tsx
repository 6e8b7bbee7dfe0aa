import { render } from 'preact';
import { App } from './app.tsx';
import { Link } from './link.ts';
import { startTheme } from './settings.ts';
import 'uplot/dist/uPlot.min.css';
import './style/base.css';
import './style/frame.css';
import './style/rows.css';
import './style/explore.css';
import './style/record.css';
import './style/texts.css';
import './style/screens.css';

startTheme();
// So that the browser does not throw away what it remembers of logs when its disk is full.
void navigator.storage?.persist?.().catch(() => undefined);
render(<App link={new Link()} />, document.getElementById('page')!);
