import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

export default defineConfig({
  plugins: [svelte()],
  build: {
    // The desktop application shows the same pages in WebKitGTK.
    target: 'safari15',
    // Inlined files would be data: addresses, which the policy of the pages does not let scripts and styles be.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { strictPort: true, proxy: { '/api': 'http://127.0.0.1:42080' } },
});
