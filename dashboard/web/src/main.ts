import { mount } from 'svelte';
import './app.css';
import { isDesktop } from './lib/transport';
import { applyTheme } from './lib/theme.svelte';
import { applyLanguage } from './lib/i18n.svelte';

applyTheme();
applyLanguage();

const target = document.getElementById('app');
if (target) {
  const { default: Root } = await (isDesktop ? import('./desktop/Desktop.svelte') : import('./App.svelte'));
  mount(Root, { target });
}
