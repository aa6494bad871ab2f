-- Undoes 20261123000000_cliprelay.sql. Running it again changes nothing. The bucket goes only if that file made it and nothing
-- is in it: neither stored clips nor somebody else's bucket are ours to delete. Projects keep what was merged into them;
-- without the function Cliprelay goes on with guarded updates.

begin;
-- No word about what is not there yet, or any more.
set local client_min_messages = warning;

do $$
begin
  if to_regclass('storage.objects') is not null then
    drop policy if exists cliprelay_clips_insert on storage.objects;
    drop policy if exists cliprelay_clips_update on storage.objects;
    drop policy if exists cliprelay_clips_delete on storage.objects;
  end if;
exception
  when insufficient_privilege then
    raise warning 'cliprelay: policies on storage.objects, if there are any of ours, belong to another role';
end
$$;

-- Where it was noted is a function: first this, then those.
do $$
begin
  if to_regclass('storage.buckets') is not null and to_regclass('storage.objects') is not null
    and obj_description(to_regprocedure('public.cliprelay_object(text)'), 'pg_proc') = 'made with the bucket videos' then
    -- Newer releases guard Storage's tables against deletion by hand.
    perform set_config('storage.allow_delete_query', 'true', true);
    delete from storage.buckets b
      where b.id = 'videos' and not exists (select from storage.objects o where o.bucket_id = b.id);
  end if;
end
$$;

drop function if exists public.cliprelay_merge_project(text, jsonb, text, jsonb, text);
drop function if exists public.cliprelay_object(text);

notify pgrst, 'reload schema';

commit;
