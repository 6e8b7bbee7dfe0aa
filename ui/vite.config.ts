import { defineConfig, type Plugin } from 'vite';

// What the page may do. The server sends the same as a header; here it holds wherever the files are served from.
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "connect-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "require-trusted-types-for 'script'",
  'trusted-types graven',
].join('; ');

// Only in what is built: the development server injects scripts of its own.
const policy: Plugin = {
  name: 'graven-policy',
  apply: 'build',
  transformIndexHtml: (html) => ({
    html,
    tags: [
      {
        tag: 'meta',
        attrs: { 'http-equiv': 'Content-Security-Policy', content: contentSecurityPolicy },
        injectTo: 'head-prepend',
      },
    ],
  }),
};

// The first thing that is painted is the page, in its theme.
const blocking: Plugin = {
  name: 'graven-blocking',
  apply: 'build',
  transformIndexHtml: {
    order: 'post',
    handler: (html) =>
      html.replace('<script type="module"', '<script type="module" blocking="render"'),
  },
};

const server = process.env['GRAVEN_SERVER'] ?? 'http://127.0.0.1:7466';

export default defineConfig({
  base: './',
  plugins: [policy, blocking],
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  worker: { format: 'es' },
  build: {
    target: ['chrome120', 'firefox121', 'safari17'],
    assetsInlineLimit: 0,
    modulePreload: false,
    cssCodeSplit: false,
    reportCompressedSize: false,
    rollupOptions: { output: { assetFileNames: 'assets/[name]-[hash][extname]' } },
  },
  server: {
    proxy: Object.fromEntries(
      ['/logs', '/status', '/metrics', '/healthz', '/readyz'].map((path) => [
        path,
        { target: server, changeOrigin: true, headers: { 'sec-fetch-site': 'none' } },
      ]),
    ),
  },
});
