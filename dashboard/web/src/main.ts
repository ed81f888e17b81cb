import { mount } from 'svelte';
import './app.css';
import { isDesktop } from './lib/transport';
import { applyTheme } from './lib/theme.svelte';
import { applyLanguage } from './lib/i18n.svelte';

applyTheme();
applyLanguage();

const target = document.getElementById('app');
if (target) {
  // One import each: the bundler gives each its style sheet.
  const root = isDesktop ? await import('./desktop/Desktop.svelte') : await import('./App.svelte');
  mount(root.default, { target });
}
